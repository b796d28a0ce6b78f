import { expect, it } from 'vitest';
import { TopicLimits } from '../../../../services/shared/log/kafka-limits.ts';

function limits(answer: { bytes: number | undefined }) {
  const clock = { ms: 0 };
  const asked: string[] = [];
  const ask = (topic: string) => {
    asked.push(topic);
    return Promise.resolve(answer.bytes);
  };
  return { clock, asked, known: new TopicLimits({ ask, now: () => clock.ms }) };
}

const USUAL = 16 * 1024 * 1024 + 1024;

it('a topic is asked once, and again when it refuses', async () => {
  const answer = { bytes: 5000 };
  const { known, asked } = limits(answer);
  expect(await known.of('a', 1)).toMatchObject({ bytes: 5000, isTold: true });
  expect(await known.of('a', 5000)).toMatchObject({ bytes: 5000, isTold: true });
  expect(asked).toEqual(['a']);
  answer.bytes = 1000;
  expect(await known.refused('a', 4000)).toEqual({ bytes: 1000, isTold: true });
  expect(await known.of('a', 1)).toMatchObject({ bytes: 1000, isTold: true });
  expect(asked).toEqual(['a', 'a']);
});

it('a topic is asked again before its limit refuses anything: somebody may have raised it', async () => {
  const answer = { bytes: 1000 };
  const { known } = limits(answer);
  expect(await known.of('a', 3000)).toMatchObject({ bytes: 1000 });
  answer.bytes = 5000;
  expect(await known.of('a', 1000)).toMatchObject({ bytes: 1000 });
  expect(await known.of('a', 3000)).toEqual({ bytes: 5000, isTold: true });
});

it('who may not ask goes by refusals, knows them for guesses, and forgets them', async () => {
  const { known, clock } = limits({ bytes: undefined });
  expect(await known.of('a', 1)).toMatchObject({ bytes: USUAL, isTold: false });
  expect(await known.refused('a', 4000)).toEqual({ bytes: 2000, isTold: false });
  expect(await known.refused('a', 2000)).toMatchObject({ bytes: 1000 });
  expect(await known.of('a', 5000)).toMatchObject({ bytes: 1000, isTold: false });
  expect(await known.of('b', 1)).toMatchObject({ bytes: USUAL });
  clock.ms = 30_000;
  expect(known.known('a')).toBeUndefined();
});

it('a topic that takes less than it says is tried with less and less', async () => {
  const { known } = limits({ bytes: 100_000 });
  expect(await known.refused('a', 4000)).toEqual({ bytes: 2000, isTold: false });
  expect(await known.refused('a', 1)).toMatchObject({ bytes: 1 });
});
