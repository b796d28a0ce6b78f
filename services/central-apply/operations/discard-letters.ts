/**
 * `dead-letters discard`: a refused part is given up for good, with who and why, and with it what can never be
 * applied without it. Its numbers become `discarded` in the till's progress, so the till learns it like any
 * outcome and keeps the row, flagged.
 */
import { discardSchema, type LetterResult } from '../../shared/operations.ts';
import { closedOf, LetterQueue, lettersStep, lockExceptions, saveDecided } from './letter-steps.ts';
import { closeLetter, dependantsOf, lockLetter, type Cursor, type Letter } from './letters.ts';
import type { OperationContext, OperationHandler } from './operation.ts';

export const discardLetters: OperationHandler = (context, args, before) =>
  lettersStep(context, discardSchema.parse(args), before, (terminal, asked) =>
    discardOfTerminal(context, terminal, asked),
  );

async function discardOfTerminal(
  { session, by, why }: OperationContext,
  terminal: string,
  asked: readonly Cursor[],
): Promise<LetterResult[]> {
  const progress = await lockExceptions(session, terminal);
  const decided: Letter[] = [];
  const results: LetterResult[] = [];
  const waiting = new LetterQueue(asked);
  for (let next = waiting.take(); next !== undefined; next = waiting.take()) {
    const letter = await lockLetter(session, next.id);
    if (letter?.state !== 'open') {
      // Closed between the look and the lock.
      if (!next.dependant) results.push(...(await closedOf(session, [next.id])));
      continue;
    }
    waiting.add(await dependantsOf(session, letter.id, { onlyInserted: true }));
    await closeLetter(session, letter.id, { state: 'discarded', by, why, mended: null });
    decided.push(letter);
    results.push({
      deadLetterId: letter.id,
      terminalId: letter.terminal,
      state: 'discarded',
      dependant: next.dependant,
      outcomes: { discarded: letter.changes.length },
      code: null,
      message: null,
    });
  }
  await saveDecided(session, terminal, progress, decided, { why });
  return results;
}
