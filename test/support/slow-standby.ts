/** A synchronous standby that confirms what it is sent after a while: until then commits are in the WAL, and unseen. */
import type { Socket } from 'node:net';
import pg from 'pg';

export const STANDBY_NAME = 'slow_standby';
const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;

interface Wire {
  readonly stream: Socket;
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  removeAllListeners(event: 'copyData'): void;
  sendCopyFromChunk(bytes: Buffer): void;
}

export interface SlowStandby {
  delayMs: number;
  stop(): Promise<void>;
}

export async function startSlowStandby(url: string, delayMs: number): Promise<SlowStandby> {
  const client = new pg.Client({
    connectionString: url,
    application_name: STANDBY_NAME,
    replication: 'true',
  } as pg.ClientConfig);
  await client.connect();
  const timers = new Set<NodeJS.Timeout>();
  const standby: SlowStandby = {
    delayMs,
    stop: async () => {
      for (const timer of timers) clearTimeout(timer);
      wire.stream.destroy();
      await client.end().catch(() => undefined);
    },
  };
  const wire = (client as unknown as { connection: Wire }).connection;
  client.on('error', () => undefined);
  const { rows } = await client.query<{ xlogpos: string }>('IDENTIFY_SYSTEM');
  const confirm = (lsn: bigint) => {
    const status = Buffer.alloc(34);
    status[0] = 0x72;
    for (const offset of [1, 9, 17]) status.writeBigUInt64BE(lsn, offset);
    if (!wire.stream.destroyed) wire.sendCopyFromChunk(status);
  };
  wire.removeAllListeners('copyData');
  wire.on('copyData', ({ chunk }) => {
    const isData = chunk[0] === XLOG_DATA;
    if (!isData && chunk[0] !== KEEPALIVE) return;
    const end = chunk.readBigUInt64BE(1) + (isData ? BigInt(chunk.length - 25) : 0n);
    const timer = setTimeout(() => {
      timers.delete(timer);
      confirm(end);
    }, standby.delayMs);
    timers.add(timer);
  });
  client.query(`START_REPLICATION PHYSICAL ${rows[0]?.xlogpos ?? '0/0'}`).catch(() => undefined);
  return standby;
}
