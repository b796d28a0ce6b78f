/**
 * Prometheus metrics. The registry belongs to the process, not to a module: under `payflow up` all services
 * share one, so a metric is made by the first who asks and found by the others.
 */
import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type CollectFunction,
  type CounterConfiguration,
  type GaugeConfiguration,
  type HistogramConfiguration,
} from 'prom-client';
import { productVersion } from './version.ts';

export type { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A registry with the process's own figures under their standard names (`process_…`, `nodejs_…`), and what runs in it. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'payflow_build_info',
    help: '1; what runs here.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version: productVersion(), node: process.versions.node }, 1);
  return registry;
}

type Named<T> = Omit<T, 'registers'>;

export function counter<L extends string>(registry: Registry, options: Named<CounterConfiguration<L>>) {
  return (
    (registry.getSingleMetric(options.name) as Counter<L> | undefined) ??
    new Counter<L>({ ...options, registers: [registry] })
  );
}

/** With `collect` the gauge is filled when it is asked for, by everyone who gave one (each till of a process). */
export function gauge<L extends string>(registry: Registry, options: Named<GaugeConfiguration<L>>) {
  const known = registry.getSingleMetric(options.name) as (Gauge<L> & Collected<L>) | undefined;
  if (known === undefined) return new Gauge<L>({ ...options, registers: [registry] });
  const { collect: before } = known;
  const { collect } = options;
  if (collect !== undefined)
    known.collect = async function () {
      await before?.call(this);
      await collect.call(this);
    };
  return known;
}

/** What the library keeps in the metric itself, and asks at each scrape. */
interface Collected<L extends string> {
  collect?: CollectFunction<Gauge<L>>;
}

export function histogram<L extends string>(registry: Registry, options: Named<HistogramConfiguration<L>>) {
  return (
    (registry.getSingleMetric(options.name) as Histogram<L> | undefined) ??
    new Histogram<L>({ ...options, registers: [registry] })
  );
}
