/**
 * Which mapping holds for one file, and how. A till goes by the newest that it can read: one that names options of a
 * later version is kept for the agent of that version, and is an alarm until then.
 *
 *   enrolment brought | the log brought since, and   | it goes by    | alarm
 *                     | it was read | it was not     |               |
 *   ------------------+-------------+----------------+---------------+------------------------------------
 *   3                 | –           | –              | 3             | –
 *   3                 | 5           | –              | 5             | –
 *   3                 | 5           | 6              | 6, or 5       | –, or 6: tried again at each start
 *   7                 | 5           | 6              | 7             | –
 *   3                 | 5, which is no more readable | 3             | 5: an older agent on a newer's file
 */
import type { Logger } from 'pino';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { errorLine, PayflowError } from '../../shared/errors.ts';
import type { ColumnOptions, Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';
import { metaBefore } from './file-facts.ts';

/** A mapping that this version of the agent can't read. */
export interface UnreadMapping {
  readonly version: number;
  readonly why: string;
}

/** In sync_meta: version and source of the newest that was read, and of a newer one that was not. */
const READ = { version: 'mapping_version', source: 'mapping_source' } as const;
const UNREAD = { version: 'unread_mapping_version', source: 'unread_mapping_source' } as const;

type Meta = Readonly<Record<string, string | null>>;

export function metaOfRead(version: number, source: string): Meta {
  return { [READ.version]: String(version), [READ.source]: source };
}

export function metaOfUnread(version: number, source: string): Meta {
  return { [UNREAD.version]: String(version), [UNREAD.source]: source };
}

/**
 * What could not be read when it stood in the streams, and holds now, or is past: what came since was read otherwise.
 * @returns null where there is no such; else what to store once that is made good
 */
export function takenLate({
  mappingVersion,
  getMeta,
}: {
  readonly mappingVersion: number;
  readonly getMeta: (name: string) => string | undefined;
}): { version: number; meta: Meta } | null {
  const version = Number(getMeta(UNREAD.version) ?? 0);
  const source = getMeta(UNREAD.source);
  if (source === undefined || version > mappingVersion) return null;
  const read = version === mappingVersion ? metaOfRead(version, source) : {};
  return { version, meta: { ...read, [UNREAD.version]: null, [UNREAD.source]: null } };
}

/** @returns why this version can't read it */
export function readMapping(source: string, version: number): Mapping | UnreadMapping {
  try {
    return parseMapping(source, version);
  } catch (error) {
    if (!(error instanceof PayflowError) || error.code !== 'MAPPING_INVALID') throw error;
    return { version, why: error.message };
  }
}

export function isRead(found: Mapping | UnreadMapping): found is Mapping {
  return 'tables' in found;
}

/** The newest that can be read; unread: there is a newer one. */
export function newestMapping(
  db: SqliteDatabase,
  enrolled: Mapping,
): { mapping: Mapping; unread: UnreadMapping | null } {
  const kept = [UNREAD, READ]
    .map(({ version, source }) => ({
      version: Number(metaBefore(db, version) ?? 0),
      source: metaBefore(db, source),
    }))
    .sort((a, b) => b.version - a.version);
  let unread: UnreadMapping | null = null;
  for (const { version, source } of kept) {
    if (source === undefined || version <= enrolled.version) continue;
    const found = readMapping(source, version);
    if (isRead(found)) return { mapping: found, unread };
    unread ??= found;
  }
  return { mapping: enrolled, unread };
}

export function tellUnread({ version, why }: UnreadMapping, { version: ours }: Mapping, log: Logger): void {
  const outdated = new PayflowError('TERMINAL_OUTDATED', `mapping ${version} can not be read: ${why}`);
  log.error({ code: outdated.code, version }, `${errorLine(outdated)} Mapping ${ours} holds on.`);
}

/**
 * A file that keeps its texts as UTF-16 holds letters and no bytes of an older set: `charset` is not for it, neither
 * up nor down, while other tills of the same mapping need it.
 */
export function mappingOfFile(db: SqliteDatabase, mapping: Mapping, log: Logger): Mapping {
  const encoding = String(db.pragma('encoding', { simple: true }));
  if (encoding === 'UTF-8') return mapping;
  const named = mapping.tables.flatMap(({ local, columns }) =>
    [...columns].flatMap(([column, { charset }]) => (charset === undefined ? [] : [`${local}.${column}`])),
  );
  if (named.length === 0) return mapping;
  log.warn({ columns: named }, `${db.name} keeps its texts as ${encoding}: charset does not hold for it`);
  return { ...mapping, tables: mapping.tables.map(withoutCharset) };
}

function withoutCharset(table: TableMapping): TableMapping {
  const columns = [...table.columns].map(
    ([name, { charset: _, ...options }]): readonly [string, ColumnOptions] => [name, options],
  );
  return { ...table, columns: new Map(columns) };
}
