/** What the centre's own state means: setup, tables, streams, and what waits for a person. Pure. */
import type { Readiness, SystemStatus } from '../../gateway/status.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { coded, error, ok, warning, type Finding } from './finding.ts';

/** @param missing what setup would do */
export function setupFindings(missing: readonly string[]): Finding[] {
  if (missing.length === 0)
    return [ok('tables', 'schema, publication, slot, identities, mapping and topics are complete')];
  return missing.map((what) =>
    error('tables', `missing or otherwise than it has to be: ${what}`, 'Run `payflow setup`.'),
  );
}

export function readinessFindings({ parts }: Readiness): Finding[] {
  return parts.map(({ name, ready, problem }) =>
    ready
      ? ok('services', `${name} is ready`)
      : error(
          'services',
          `${name} is not ready: ${problem ?? 'no reason given'}`,
          'See the log of the service, and the lines here.',
        ),
  );
}

export function stateFindings(status: SystemStatus): Finding[] {
  const { tables, topics, streams } = status;
  const problems = new Map(
    streams.flatMap(({ topic, problem }) => (problem == null ? [] : [[problem, topic]])),
  );
  return [
    ...tables.map(({ table, code, message }) =>
      coded('tables', 'error', { code, message: `${table}: ${message}` }),
    ),
    ...topics.map(({ code, message }) => coded('log', 'error', { code, message })),
    ...[...problems].map(([code, topic]) =>
      coded('database', 'error', { code, message: `noted with ${topic}` }),
    ),
  ];
}

/** @param central those that exist, by the names of the mapping */
export function tableFindings(
  mapping: Mapping,
  central: ReadonlyMap<string, unknown>,
  { tables }: SystemStatus,
): Finding[] {
  const noted = new Set(tables.map(({ table }) => table));
  return mapping.tables
    .filter((table) => !central.has(table.central) && !noted.has(table.central))
    .map((table) =>
      coded('tables', 'error', { code: 'TABLE_MISSING', message: `there is no table ${table.central}` }),
    );
}

/** What of it belongs to a till is told with the till as well: these are the sums. */
export function attentionFindings(status: SystemStatus): Finding[] {
  const { deadLetters, held, conflicts, refusedRecords } = status;
  const found: Finding[] = [];
  if (deadLetters > 0)
    found.push(error('attention', `${deadLetters} dead letters are open`, '`payflow dead-letters list`.'));
  if (held > 0) found.push(error('attention', `${held} records are held`, '`payflow held list`.'));
  if (refusedRecords > 0)
    found.push(error('attention', `${refusedRecords} records were refused whole`, '`payflow refused list`.'));
  if (conflicts > 0)
    found.push(
      warning('attention', `${conflicts} conflicts were decided by the rules`, '`payflow conflicts list`.'),
    );
  return found.length === 0 ? [ok('attention', 'nothing waits for a person')] : found;
}
