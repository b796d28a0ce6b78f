/** What doctor looks for is what `payflow setup --grants` gives, and no more. */
import { describe, expect, it } from 'vitest';
import { neededRights } from '../../../../services/cli/doctor/needed-rights.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';

const mapping = parseMapping(`
version: 1
tables:
  goods: {scope: global, central: depot.goods, direction: push}
  sales: {scope: global}
`);
const needed = neededRights(mapping).map(({ service, schema, table, right }) =>
  [service, schema, table ?? '', right].join(' '),
);
const of = (start: string) => needed.filter((each) => each.startsWith(start));

describe('the rights of the services', () => {
  it('apply writes what tills write, and reads what is only pushed', () => {
    expect(of('apply public sales')).toEqual([
      'apply public sales SELECT',
      'apply public sales INSERT',
      'apply public sales UPDATE',
      'apply public sales DELETE',
    ]);
    expect(of('apply depot')).toEqual(['apply depot  USAGE', 'apply depot goods SELECT']);
  });

  it('capture reads, and the gateway has no business there', () => {
    expect(of('capture public sales')).toEqual(['capture public sales SELECT']);
    expect(of('gateway public')).toEqual([]);
  });

  it('each has its own part of our tables, also where no mapping can be read', () => {
    expect(of('gateway payflow_sync job')).toHaveLength(4);
    expect(of('apply payflow_sync link')).toHaveLength(4);
    expect(neededRights(undefined).every(({ schema }) => schema === 'payflow_sync')).toBe(true);
  });
});
