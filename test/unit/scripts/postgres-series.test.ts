import { describe, expect, it } from 'vitest';
import { POSTGRES_SERIES, postgresSeries } from '../../../scripts/support/postgres-series.ts';

describe('the PostgreSQL that tests run on', () => {
  it.each(POSTGRES_SERIES)('can be of the series %s', (series) => {
    expect(postgresSeries(` ${series}`)).toBe(series);
  });

  it.each([undefined, '', ' '])('is the one at hand where none is named: %j', (text) => {
    expect(postgresSeries(text)).toBeUndefined();
  });

  it.each(['13', '19', '14.2', 'newest'])('is never one that is not supported: %s', (text) => {
    expect(() => postgresSeries(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
