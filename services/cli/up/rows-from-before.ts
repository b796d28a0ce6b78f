/** What `up` says of rows that its tills had before, and that nobody has offered to the centre yet. */
import { readLocalCatalog } from '../../shared/catalog/local-catalog.ts';
import { bindLocal } from '../../shared/catalog/table-binding.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { earlierRows, type EarlierRows } from '../../terminal-agent/file/earlier-rows.ts';
import { withTillFile } from '../till/till-file.ts';
import type { TillPlan } from './up-plan.ts';

export interface RowsFromBefore {
  readonly terminalId: string;
  readonly tables: readonly EarlierRows[];
}

/** Once the agents have the files. @returns only tills that have some */
export function rowsFromBefore(tills: readonly TillPlan[], mapping: Mapping): RowsFromBefore[] {
  const found = tills.map(({ terminalId, file }) => ({
    terminalId,
    tables: withTillFile(file, (db) =>
      earlierRows(db, bindLocal(mapping, readLocalCatalog(db)).tables.values()),
    ),
  }));
  return found.filter(({ tables }) => tables.length > 0);
}
