import { test } from 'vitest';
import { pino } from 'pino';
import { randomBytes } from 'node:crypto';
import { KafkaLog } from '../../../../services/shared/log/kafka-log.ts';
test('perf', async () => {
  const log = pino({ level: 'info' });
  const kafka = new KafkaLog({
    brokers: process.env['TEST_KAFKA_BROKERS']!.split(','),
    clientId: 'perf',
    log,
  });
  const topic = `perf-${Date.now()}`;
  const t0 = performance.now();
  console.log(
    await kafka.createTopic({ topic, partitions: 1, cleanup: 'compact', minCompactionLagMs: 1e9 }),
    performance.now() - t0,
    'ms',
  );
  const s = { topic, partition: 0 };
  console.log(
    await kafka.createTopic({ topic, partitions: 1, cleanup: 'compact' }),
    await kafka.offsets(s),
    await kafka.streamId(s),
  );
  const rows = Array.from({ length: 1500 }, (_, i) => ({
    key: Buffer.from(`products:${i}`),
    value: randomBytes(230),
    headers: { p: randomBytes(17) },
  }));
  const N = 200;
  let t = performance.now();
  let expect = 1;
  for (let i = 0; i < N; i++) {
    const r = await kafka.append(s, rows);
    if (r.baseOffset !== expect) throw new Error(`base ${r.baseOffset} ${expect}`);
    expect += rows.length;
  }
  let d = performance.now() - t;
  console.log('produce rows/s', Math.round(((N * 1500) / d) * 1000));
  t = performance.now();
  let n = 0;
  const stop = new AbortController();
  for await (const batch of kafka.read(s, { from: 0, signal: stop.signal })) {
    for (const r of batch) {
      if (r.offset !== n) throw new Error(`off ${r.offset} ${n}`);
      n++;
    }
    if (n >= N * 1500 + 1) break;
  }
  d = performance.now() - t;
  console.log('consume rows/s', Math.round((n / d) * 1000));
  // latency
  const lat: number[] = [];
  const reader = (async () => {
    for await (const b of kafka.read(s, { from: n, signal: stop.signal })) {
      for (const r of b) lat.push(Date.now() - Number(r.value!.toString()));
    }
  })();
  for (let i = 0; i < 300; i++) {
    await kafka.append(s, [{ key: Buffer.from('x'), value: Buffer.from(String(Date.now())) }]);
    await new Promise((r) => setTimeout(r, 5));
  }
  lat.sort((a, b) => a - b);
  console.log('latency p50', lat[150], 'p99', lat[297], lat.length);
  t = performance.now();
  stop.abort();
  await reader;
  console.log('cancel ms', performance.now() - t);
  await kafka.close();
});
