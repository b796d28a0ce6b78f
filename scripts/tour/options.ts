/** What `scripts/demo` was asked for, parsed. */
import { PayflowError } from '../../services/shared/errors.ts';

export interface DemoOptions {
  readonly once: boolean;
  readonly fresh: boolean;
  readonly kafka: boolean;
}

export const DEMO_HELP = `Usage: scripts/demo [--once] [--fresh] [--kafka]

Starts a head office (PostgreSQL), an event log, the gateway and two tills of one shop on this machine, and
shows sync in both directions with the times it measures. Then everything keeps running until Ctrl-C.
Nothing has to be installed before. All of it lives in .payflow/demo of this folder.

  --once    stop after the tour; exit 0 only if an independent comparison of every table on both sides
            found nothing missing, extra or different, else 1
  --fresh   start over with a new, empty shop
  --kafka   use a real Kafka instead of the embedded log: TEST_KAFKA_BROKERS, or Docker, or Java 17+ with
            Maven. It keeps nothing, so this always starts over, in .payflow/demo-kafka
  --help    print this

GATEWAY_PORT (8080) and LOG_LEVEL (info, for the log file) may be set in the environment.
`;

const FLAGS = ['--once', '--fresh', '--kafka'];

/** @returns null when help is wanted; @throws PayflowError USAGE */
export function parseDemoArgs(args: readonly string[]): DemoOptions | null {
  if (args.includes('--help') || args.includes('-h')) return null;
  const unknown = args.find((argument) => !FLAGS.includes(argument));
  if (unknown !== undefined) throw new PayflowError('USAGE', `scripts/demo knows no ${unknown}`);
  const has = (flag: string) => args.includes(flag);
  return { once: has('--once'), fresh: has('--fresh') || has('--kafka'), kafka: has('--kafka') };
}
