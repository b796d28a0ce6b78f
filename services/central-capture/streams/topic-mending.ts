/**
 * Settings of a topic are put back: all in one request, and where that is refused each for itself. A request is
 * refused as a whole: one setting that may not be changed would keep all the others wrong.
 */
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { differenceText, type TopicDifference } from '../../shared/log/topic-settings.ts';

interface Refused {
  readonly difference: TopicDifference;
  readonly cause: PayflowError;
}

export interface Mended {
  readonly done: readonly TopicDifference[];
  /** What was refused and does harm: LOG_TOPIC_SETTINGS. */
  readonly problem: PayflowError | undefined;
}

/** @throws PayflowError LOG_UNREACHABLE */
export async function putBack(
  eventLog: Pick<EventLog, 'changeTopic'>,
  topic: string,
  differences: readonly TopicDifference[],
): Promise<Mended> {
  const cause = await change(eventLog, topic, differences);
  if (cause === undefined) return { done: differences, problem: undefined };
  const [only, ...more] = differences;
  if (only !== undefined && more.length === 0) {
    return { done: [], problem: problemOf(topic, [{ difference: only, cause }]) };
  }
  const done: TopicDifference[] = [];
  const refused: Refused[] = [];
  for (const difference of harmfulFirst(differences)) {
    const why = await change(eventLog, topic, [difference]);
    if (why === undefined) done.push(difference);
    else refused.push({ difference, cause: why });
  }
  return { done, problem: problemOf(topic, refused) };
}

/** In their order otherwise: some may only be set once another one is. */
function harmfulFirst(differences: readonly TopicDifference[]): TopicDifference[] {
  return [
    ...differences.filter(({ harm }) => harm !== null),
    ...differences.filter(({ harm }) => harm === null),
  ];
}

/** @returns why it is refused */
async function change(
  eventLog: Pick<EventLog, 'changeTopic'>,
  topic: string,
  differences: readonly TopicDifference[],
): Promise<PayflowError | undefined> {
  try {
    await eventLog.changeTopic(topic, new Map(differences.map(({ setting, wanted }) => [setting, wanted])));
    return undefined;
  } catch (thrown) {
    const cause = asPayflowError(thrown);
    if (cause.code === 'LOG_UNREACHABLE') throw cause;
    return cause;
  }
}

function problemOf(topic: string, refused: readonly Refused[]): PayflowError | undefined {
  const harmful = refused.filter(({ difference }) => difference.harm !== null);
  const [first] = harmful;
  if (first === undefined) return undefined;
  const { cause } = first;
  const text = harmful.map(({ difference }) => differenceText(difference)).join('; ');
  const message = `${topic}: ${text}. It was not allowed to put it back: ${cause.message}`;
  return new PayflowError('LOG_TOPIC_SETTINGS', message, { cause, details: { topic } });
}
