/**
 * What operators ask of central-apply, the only writer on behalf of tills: a row of payflow_sync.operation, put
 * there by the gateway and carried out by whichever central-apply takes it first. The arguments of each kind and
 * the form of what came of it are one contract, so that both ends parse the same.
 */
import { z } from 'zod';

/** NOTIFY on it says that an operation waits. */
export const OPERATIONS_CHANNEL = 'payflow_operations';

const id = z.string().regex(/^\d{1,18}$/, 'must be a number');

/** PostgreSQL's texts hold no zero character. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'must not hold a zero character');
const name = (max: number) => text(max).min(1);
const VALUE_CHARACTERS = 1_000_000;

export const letterFilterSchema = z.strictObject({
  terminalId: name(64).optional(),
  table: name(200).optional().describe('local or central name'),
  code: name(60).optional().describe('why it was refused, the last time'),
  since: z.iso.datetime({ offset: true }).optional().describe('refused at or after'),
});
export type LetterFilter = z.output<typeof letterFilterSchema>;

/** Letters by id, or all open ones that the filter lets through. */
export const selectionSchema = z.strictObject({
  ids: z.array(id).min(1).max(1000).optional(),
  all: letterFilterSchema.optional().describe('every open one that it lets through'),
});
/** For `refine`: extended schemas need it again. */
export const oneSelection = [
  ({ ids, all }: { ids?: unknown; all?: unknown }) => (ids === undefined) !== (all === undefined),
  { message: 'either ids or all is needed', path: ['ids'] },
] as [(value: { ids?: unknown; all?: unknown }) => boolean, { message: string; path: string[] }];

export const mendSchema = z.strictObject({
  table: name(200).describe('local or central name'),
  column: name(200).describe('local or central name'),
  value: text(VALUE_CHARACTERS).nullable().describe('as the till stores it'),
  seq: z.number().int().positive().optional().describe('of the change, where several set that column'),
});
export type Mend = z.output<typeof mendSchema>;

export const retryArguments = selectionSchema.extend({
  set: z.array(mendSchema).max(100).default([]).describe('values to mend'),
  allow: z.boolean().default(false).describe('lend it the right to change what a till may not'),
});
export const retrySchema = retryArguments.refine(...oneSelection);
export const discardSchema = selectionSchema.refine(...oneSelection);
export const skipSchema = z.strictObject({ id: name(300) });
export const resolveSchema = z.strictObject({
  id,
  take: z.enum(['central', 'terminal', 'values']),
  values: z
    .record(name(200), text(VALUE_CHARACTERS).nullable())
    .optional()
    .describe('with take values: by column, as PostgreSQL reads them'),
  standing: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional()
    .describe('the row as it was shown; without it, as the conflict left it'),
  force: z.boolean().default(false).describe('whatever the row is by now'),
});

export type RetryArguments = z.output<typeof retrySchema>;
export type DiscardArguments = z.output<typeof discardSchema>;
export type ResolveArguments = z.output<typeof resolveSchema>;

/** Those of `verify` only read; their arguments and results stand in verify/questions.ts. */
export const VERIFY_OPERATIONS = ['verify-digest', 'verify-list', 'verify-look'] as const;

export type OperationKind =
  | 'dead-letter-retry'
  | 'dead-letter-discard'
  | 'refused-skip'
  | 'conflict-resolve'
  | (typeof VERIFY_OPERATIONS)[number];

/**
 * applied     in the central tables now (outcomes says how each change fared)
 * superseded  later changes of the same till had written all of it
 * refused     again, with the reason; it stays open
 * discarded   given up
 * closed      somebody was faster: it is not open any more
 * unknown     there is no such dead letter
 */
export type LetterState = 'applied' | 'superseded' | 'refused' | 'discarded' | 'closed' | 'unknown';

export interface LetterResult {
  readonly deadLetterId: string;
  readonly terminalId: string | null;
  readonly state: LetterState;
  /** It hangs on a letter that was asked for, and went along. */
  readonly dependant: boolean;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly code: string | null;
  readonly message: string | null;
}

export interface LettersResult {
  /** At most LETTERS_SHOWN of them; the counts are of all. */
  readonly letters: readonly LetterResult[];
  readonly counts: Readonly<Record<LetterState, number>>;
}
export const LETTERS_SHOWN = 1000;

export interface SkipResult {
  readonly refusedId: string;
  readonly terminalId: string | null;
  /** The numbers of the till's changes that are given up; null where the record left no gap. */
  readonly skipped: { readonly firstSeq: number; readonly lastSeq: number } | null;
}

export interface ResolveResult {
  readonly conflictId: string;
  readonly table: string;
  readonly centralId: string;
  readonly written: 'inserted' | 'updated' | 'deleted' | 'nothing';
  /** Central columns. */
  readonly columns: readonly string[];
  /** Delta columns are sums of what everyone did: never set by hand. */
  readonly leftAlone: readonly string[];
}

/** What stands in `result` of an operation that failed. */
export interface OperationFailure {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}
