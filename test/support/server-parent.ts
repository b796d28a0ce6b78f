/** A process of its own that starts a server and can then be ended in any way. Argument: the options as JSON. */
import { ServerProcess, type ServerProcessOptions } from '../../services/shared/database/server-process.ts';

const server = new ServerProcess(JSON.parse(process.argv[2] ?? '{}') as ServerProcessOptions);
await server.start(async () => true, 1000);
setInterval(() => undefined, 1000);
process.on('message', () => {
  throw new Error('uncaught');
});
process.send?.('up');
