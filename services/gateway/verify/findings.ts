/** What `verify` found, by table: counts of all, and the first rows by name. */
import { z } from 'zod';
import type { RowFacts } from '../../shared/verify/questions.ts';
import type { Verdict } from './verdict.ts';

/** Of each kind, in each table; the counts are of all. */
const NAMED_ROWS = 1_000;

const rowSchema = z.object({
  /** Central id; null: it has none. */
  id: z.string().nullable(),
  /** On the till; null: it is not there. */
  key: z.string().nullable(),
});
const reasonedSchema = rowSchema.extend({ why: z.string() });
const differenceSchema = rowSchema.extend({
  how: z.enum(['missing on till', 'missing at centre', 'different', 'not of this store']),
  columns: z.array(z.string()).describe('local names'),
  newer: z.enum(['till', 'centre', 'unknown']),
});

export const tableFindingsSchema = z.object({
  table: z.string().describe('local name'),
  centralTable: z.string(),
  rows: z.object({ till: z.number(), centre: z.number() }),
  counts: z.object({
    differs: z.number(),
    known: z.number().describe('differs, and it is known why: parked, held, a dead letter, …'),
    byDesign: z.number().describe('differs as the mapping says'),
    moving: z.number().describe('changed at each look'),
    notLookedAt: z
      .number()
      .describe('may differ; so many others do that these were not looked at one by one'),
  }),
  /** With --repair: how many that differed before do not any more. */
  repaired: z.number().nullable(),
  differs: z.array(differenceSchema),
  known: z.array(reasonedSchema),
  byDesign: z.array(reasonedSchema),
  moving: z.array(rowSchema),
});
export type TableFindings = z.output<typeof tableFindingsSchema>;
export type Difference = z.output<typeof differenceSchema>;

export function noFindings(table: string, centralTable: string): TableFindings {
  return {
    table,
    centralTable,
    rows: { till: 0, centre: 0 },
    counts: { differs: 0, known: 0, byDesign: 0, moving: 0, notLookedAt: 0 },
    repaired: null,
    differs: [],
    known: [],
    byDesign: [],
    moving: [],
  };
}

export function addFinding(findings: TableFindings, { id, key }: RowFacts, verdict: Verdict): void {
  const { counts } = findings;
  const row = { id, key };
  switch (verdict.kind) {
    case 'equal':
      return;
    case 'moving':
      counts.moving += 1;
      findings.moving.push(row);
      return;
    case 'known':
      counts.known += 1;
      findings.known.push({ ...row, why: verdict.why });
      return;
    case 'by design':
      counts.byDesign += 1;
      findings.byDesign.push({ ...row, why: verdict.why });
      return;
    case 'differs': {
      const { how, columns, newer } = verdict;
      counts.differs += 1;
      findings.differs.push({ ...row, how, columns: [...columns], newer });
      return;
    }
  }
}

/** Without rows beyond those that are named. */
export function named(findings: TableFindings): TableFindings {
  const { differs, known, byDesign, moving } = findings;
  return {
    ...findings,
    differs: differs.slice(0, NAMED_ROWS),
    known: known.slice(0, NAMED_ROWS),
    byDesign: byDesign.slice(0, NAMED_ROWS),
    moving: moving.slice(0, NAMED_ROWS),
  };
}

export interface Summary {
  readonly differs: number;
  readonly known: number;
  readonly byDesign: number;
  readonly moving: number;
  readonly notLookedAt: number;
}

export function summaryOf(tables: readonly TableFindings[]): Summary {
  const sum = (of: keyof Summary) => tables.reduce((total, { counts }) => total + counts[of], 0);
  return {
    differs: sum('differs'),
    known: sum('known'),
    byDesign: sum('byDesign'),
    moving: sum('moving'),
    notLookedAt: sum('notLookedAt'),
  };
}
