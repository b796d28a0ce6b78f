import { expect, it } from 'vitest';
import { createRegistry, gauge } from '../../../services/shared/metrics.ts';

it('a gauge that several fill when it is asked for shows what each of them knows', async () => {
  const registry = createRegistry();
  const depths = new Map([
    ['T1', 3],
    ['T2', 5],
  ]);
  for (const terminal of depths.keys()) {
    gauge(registry, {
      name: 'depth',
      help: 'any',
      labelNames: ['terminal'],
      collect() {
        this.set({ terminal }, depths.get(terminal) ?? 0);
      },
    });
  }
  expect(await registry.getSingleMetricAsString('depth')).toContain('depth{terminal="T1"} 3');
  depths.set('T1', 4);
  const text = await registry.getSingleMetricAsString('depth');
  expect(text).toContain('depth{terminal="T1"} 4');
  expect(text).toContain('depth{terminal="T2"} 5');
});
