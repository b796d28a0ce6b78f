/** Applies records of a stream again, whatever was read before; the offset of the stream stays where it is. */
import type { ApplyTransaction } from '../apply-transaction.ts';
import type { TillHost } from '../till/till-host.ts';
import { waitForApp } from '../till/write-gate.ts';
import type { Incoming } from './incoming.ts';

export interface ReplayParts {
  readonly topic: string;
  readonly items: readonly Incoming[];
  /** Records in one transaction. */
  readonly txRows: number;
  /** Counts only. */
  readonly dryRun: boolean;
  readonly till: TillHost;
  /** Before any of them settles anything. */
  readonly check: (items: readonly Incoming[]) => void;
  readonly transaction: (body: (work: ApplyTransaction) => void) => ApplyTransaction;
}

export async function replayRecords({
  topic,
  items,
  txRows,
  dryRun,
  till,
  check,
  transaction,
}: ReplayParts): Promise<{ applied: number; skipped: number }> {
  const counts = { applied: 0, skipped: 0 };
  for (let from = 0; from < items.length; from += txRows) {
    await waitForApp(till.gate);
    const some = items.slice(from, from + txRows);
    if (!dryRun) check(some);
    const { applied, older } = transaction((work) => {
      for (const item of some) work.replay(topic, item, dryRun);
    });
    counts.applied += applied;
    counts.skipped += older;
  }
  return counts;
}
