/** What tills of the version before can't read in a mapping: their agents end when it reaches them. Pure. */
import type { ColumnFormat, Mapping } from './mapping.ts';

const NEW_FORMATS: ReadonlySet<ColumnFormat | undefined> = new Set(['sqlite', 'julian'] as const);

/** @returns each as `table.column: option` */
export function newOptions({ tables }: Mapping): string[] {
  return tables.flatMap(({ local, columns, appTriggers }) => [
    ...(appTriggers === 'auto' ? [] : [`${local}: app_triggers`]),
    ...[...columns].flatMap(([column, { format, emptyIsNull, charset }]) => {
      const options = [
        NEW_FORMATS.has(format) ? [`format: ${String(format)}`] : [],
        emptyIsNull === true ? ['empty: null'] : [],
        charset === undefined ? [] : ['charset'],
      ].flat();
      return options.map((option) => `${local}.${column}: ${option}`);
    }),
  ]);
}
