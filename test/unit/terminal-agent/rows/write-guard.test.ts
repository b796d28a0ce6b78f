/** Who is to blame for a write that failed and left no transaction behind: see the table in refusal.ts. */
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import type { BoundTable } from '../../../../services/shared/catalog/table-binding.ts';
import { TriggerFault } from '../../../../services/terminal-agent/rows/refusal.ts';
import { WriteGuard } from '../../../../services/terminal-agent/rows/write-guard.ts';
import { silentLog } from '../../../support/till.ts';

function failure(code: string): unknown {
  const db = new Database(':memory:');
  onTestFinished(() => {
    db.close();
  });
  const guard = new WriteGuard(db, { local: { name: 'products' } } as BoundTable);
  guard.begin({
    triggers: {
      running: () => [{ fillsIndex: true }, { fillsIndex: false }],
      without: (_, write) => write(),
      withoutIndexes: (_, write) => write(),
    },
    log: silentLog,
  });
  db.exec('BEGIN');
  try {
    return guard.run(() => {
      db.exec('ROLLBACK');
      throw new Database.SqliteError('it failed', code);
    });
  } catch (error) {
    return error;
  }
}

it.each(['SQLITE_IOERR_WRITE', 'SQLITE_FULL', 'SQLITE_NOMEM', 'SQLITE_INTERRUPT'])(
  '%s is a fault of the machine',
  (code) => {
    expect(failure(code)).toBeInstanceOf(Database.SqliteError);
  },
);

it.each(['SQLITE_CONSTRAINT_TRIGGER', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_ERROR'])(
  '%s is a fault of the trigger',
  (code) => {
    const fault = failure(code);
    expect(fault).toBeInstanceOf(TriggerFault);
    expect(fault).toMatchObject({ table: 'products', ofIndex: false, undidAll: true });
  },
);
