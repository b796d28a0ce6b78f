/** ↓ on demand: the shop's app asks by Socket.IO for everything that head office has committed so far. */
import { io, type Socket } from 'socket.io-client';
import type { PushResult } from '../../../services/shared/agent-protocol.ts';
import type { DemoTill } from '../demo-till.ts';
import { msText } from '../screen.ts';
import type { Tour } from '../tour.ts';

const PRODUCTS = 300;

type Ack = { ok: true; jobId: string } | { ok: false; code: string; message: string };
interface Done {
  readonly jobId: string;
  readonly terminalId: string;
  readonly push?: PushResult;
}

export async function showCatchUp(tour: Tour): Promise<void> {
  const { site, screen } = tour;
  const [t1] = site.tills;
  screen.step(`Catch-up ↓  the app of ${t1.id} asks by Socket.IO`);
  const wanted = Number(t1.read('SELECT count(*) FROM products')) + PRODUCTS;
  const socket = await connectApp(tour, t1);
  try {
    await site.headOffice.addProducts(PRODUCTS);
    const asked = performance.now();
    const done = await requestPush(tour, socket);
    const ms = performance.now() - asked;
    const products = Number(t1.read('SELECT count(*) FROM products'));
    screen.down(`head office enters ${PRODUCTS} products in one transaction`);
    screen.plain(
      `emit sync:request {"direction":"push"} → sync:done after ${msText(ms)}, applied up to ${done.push?.position ?? '?'}`,
    );
    if (products !== wanted) throw new Error(`${t1.id} has ${products} products at sync:done, not ${wanted}`);
    screen.good(`at that moment ${t1.id} has all ${products} products`);
  } finally {
    socket.disconnect();
  }
}

async function connectApp({ site }: Tour, till: DemoTill): Promise<Socket> {
  const socket = io(`${till.cable.url}/terminals`, {
    auth: { token: till.token },
    transports: ['websocket'],
    forceNew: true,
  });
  let refused: Error | undefined;
  socket.on('connect_error', (error) => (refused = error));
  await site.services.waitFor(
    () => {
      if (refused !== undefined) throw refused;
      return socket.connected;
    },
    'the app connects to the gateway',
    { everyMs: 5 },
  );
  return socket;
}

async function requestPush({ site }: Tour, socket: Socket): Promise<Done> {
  const done: Done[] = [];
  const failed: unknown[] = [];
  socket.on('sync:done', (payload: Done) => done.push(payload));
  socket.on('sync:failed', (payload: unknown) => failed.push(payload));
  const ack = (await socket.timeout(10_000).emitWithAck('sync:request', { direction: 'push' })) as Ack;
  if (!ack.ok) throw new Error(`sync:request was refused: ${ack.code} ${ack.message}`);
  const mine = () => done.find(({ jobId }) => jobId === ack.jobId);
  await site.services.waitFor(
    () => {
      if (failed.length > 0) throw new Error(`sync:failed: ${JSON.stringify(failed)}`);
      return mine() !== undefined;
    },
    `sync:done of job ${ack.jobId}`,
    { everyMs: 1 },
  );
  return mine() ?? { jobId: ack.jobId, terminalId: '' };
}
