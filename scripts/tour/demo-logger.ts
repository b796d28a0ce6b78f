/** The log file of the demo, which several processes write to: whole lines, each at the end. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from '../../services/shared/config.ts';
import type { Releaser } from '../../services/shared/lifecycle.ts';
import { createLogger } from '../../services/shared/logging.ts';

export async function fileLogger(
  file: string,
  level: Config['logLevel'],
  onRelease: (undo: Releaser) => void,
): Promise<Logger> {
  const destination = createWriteStream(file, { flags: 'a' });
  await once(destination, 'open');
  onRelease(async () => {
    const closed = once(destination, 'close');
    destination.end();
    await closed;
  });
  return createLogger({ level, destination, pretty: false });
}
