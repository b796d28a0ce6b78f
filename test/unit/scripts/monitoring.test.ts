/** Alert rules and board speak of metrics that there are, and of commands that there are (named-commands.test.ts). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { packageRoot } from '../../../services/shared/paths.ts';

const folder = join(packageRoot(), 'scripts', 'monitoring');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/ */
const DURATION = /^[0-9]+(ms|[smhdwy])$/;
const rulesSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Payflow[A-Za-z]+$/),
          expr: z.string(),
          for: z.string().regex(DURATION).optional(),
          labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});
const boardSchema = z.object({
  panels: z.array(
    z.object({ id: z.number(), title: z.string(), targets: z.array(z.object({ expr: z.string() })).min(1) }),
  ),
});

/** Every name that a service gives a metric. */
function metricNames(): Set<string> {
  const services = join(packageRoot(), 'services');
  const files = readdirSync(services, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const texts = files.map((name) => readFileSync(join(services, name), 'utf8'));
  return new Set(
    texts.flatMap((text) => [...text.matchAll(/name: '(payflow_[a-z_]+)'/g)].map(([, name]) => name ?? '')),
  );
}

function namesIn(expression: string): string[] {
  return [...expression.matchAll(/\bpayflow_[a-z_]+/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, ''),
  );
}

const { groups } = rulesSchema.parse(parse(read('alerts.yml')));
const rules = groups.flatMap((group) => group.rules);
const board = boardSchema.parse(JSON.parse(read('grafana-board.json')));

describe('monitoring', () => {
  const known = metricNames();

  it.each([
    ...rules.map(({ alert, expr }) => [alert, expr] as const),
    ...board.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
  ])('%s: its metrics exist', (_what, expression) => {
    const names = namesIn(expression);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    expect(names.length > 0 || expression.startsWith('process_')).toBe(true);
  });

  it('alerts have a name each, and say what to do', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { annotations } of rules) expect(annotations.description.length).toBeGreaterThan(20);
  });

  it('panels have an id each', () => {
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
  });
});
