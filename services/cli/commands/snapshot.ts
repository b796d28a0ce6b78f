import type { Command } from 'commander';
import type { Snapshot } from '../../gateway/snapshots.ts';
import { ERROR_CODES } from '../../shared/error-codes.ts';
import { isErrorCode } from '../../shared/agent-protocol.ts';
import { PayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway, type GatewayClient } from '../gateway-client.ts';

const LOOK_MS = 500;
const TELL_MS = 3_000;

interface SnapshotOptions extends JsonOption {
  readonly table: string;
}

export function snapshotCommand(cli: Cli): Command {
  const command = cli
    .command(
      'snapshot',
      'read a table of the centre into the streams again ↓, whole, while everything runs',
      ['snapshot --table products'],
    )
    .requiredOption('--table <name>', 'the table, by its name on the till');
  return withJson(command).action(
    cli.action(async ({ table, json }: SnapshotOptions) => {
      await withGateway(cli, async (client) => {
        await client.post<Snapshot>('/snapshots', { table });
        const done = await finished(cli, client, table);
        if (json === true) cli.output.json(done);
        else
          cli.output.line(
            `↓ ${done.rows} rows of ${table} are in the streams; what is not in the table any more is swept out`,
          );
      });
      return EXIT.yes;
    }),
  );
}

/** Whoever leaves changes nothing: capture goes on by itself, also after a restart. */
async function finished(cli: Cli, client: GatewayClient, table: string): Promise<Snapshot> {
  let toldMs = Date.now();
  for (;;) {
    const { snapshots } = await client.get<{ snapshots: Snapshot[] }>('/snapshots');
    const snapshot = snapshots.find((one) => one.table === table);
    if (snapshot === undefined) throw new PayflowError('NOT_FOUND', `${table} is sent to no till any more`);
    if (snapshot.blockedBy !== null) throw blocked(snapshot.blockedBy, table);
    if (snapshot.state === 'done') return snapshot;
    if (Date.now() - toldMs >= TELL_MS) {
      toldMs = Date.now();
      cli.output.note(`${table}: ${snapshot.rows} rows read; it goes on without this command, too`);
    }
    await sleep(LOOK_MS, cli.signal);
    if (cli.signal.aborted)
      throw new PayflowError(
        'SYNC_TIMEOUT',
        `capture goes on reading ${table}; ask again with the same command`,
      );
  }
}

/** The wish stands: it is read as soon as that is mended. */
function blocked({ code, message }: { code: string; message: string }, table: string): PayflowError {
  const why = `${table} is not read before it is mended: ${message}`;
  return isErrorCode(code) && Object.hasOwn(ERROR_CODES, code)
    ? new PayflowError(code, why)
    : new PayflowError('INTERNAL', `${code}: ${why}`);
}
