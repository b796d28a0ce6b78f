import { describe, expect, it } from 'vitest';
import { isAtRest, jobState, offlinePart, partIn, type JobPart } from '../../../services/gateway/jobs/job.ts';
import { decodeCursor, encodeCursor, nextPage } from '../../../services/gateway/http/page.ts';
import { toProblem } from '../../../services/gateway/http/problem.ts';
import { checkSchedule, scheduledTerminals } from '../../../services/gateway/jobs/schedule.ts';
import { captureReadiness } from '../../../services/gateway/status.ts';
import { ERROR_CODES, type ErrorCode } from '../../../services/shared/error-codes.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import { readReply } from '../../../services/shared/agent-protocol.ts';
import { newEnrolmentCode, normalizeEnrolmentCode } from '../../../services/shared/tokens.ts';

const part = (state: JobPart['state'], terminalId = 't'): JobPart => ({ terminalId, state });

describe('the state of a job', () => {
  it.each([
    [['done', 'done'], 'done'],
    [['failed', 'failed'], 'failed'],
    [['done', 'failed'], 'partial'],
    [['done', 'waiting'], 'waiting'],
    [['failed', 'waiting'], 'waiting'],
    [['done', 'running'], 'running'],
    [['waiting', 'running'], 'running'],
  ] as const)('of %s is %s', (states, expected) => {
    expect(jobState(states.map((state) => part(state)))).toBe(expected);
  });

  it('is at rest when the only tills left are offline, not when one waits for its turn', () => {
    expect(isAtRest([part('done'), offlinePart(part('waiting'))])).toBe(true);
    expect(isAtRest([part('done'), part('waiting')])).toBe(false);
  });

  it('forgets an old error when a part goes on, and keeps what is done already', () => {
    const pull = { published: 1, applied: 1, merged: 0, lost: 0, rejected: 0, held: 0, tables: {} };
    expect(partIn({ ...offlinePart(part('waiting')), pull }, 'running')).toEqual({
      terminalId: 't',
      state: 'running',
      pull,
    });
  });
});

describe('the schedule', () => {
  it('takes five and six fields and empty, and refuses the rest', () => {
    for (const good of ['', '*/5 * * * *', '0 */5 * * * *'])
      expect(() => checkSchedule('SYNC_SCHEDULE', good)).not.toThrow();
    for (const bad of ['* * * *', '61 * * * *', 'soon', '@daily']) {
      expect(() => checkSchedule('VERIFY_SCHEDULE', bad)).toThrowError(
        expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error,
      );
    }
  });

  it('leaves manual tills alone', () => {
    const connected = (['stream', 'scheduled', 'manual'] as const).map((mode) => ({
      terminalId: mode,
      mode,
    }));
    expect(scheduledTerminals(connected)).toEqual(['stream', 'scheduled']);
  });
});

describe('problem details', () => {
  it('carry the code, its status and its remedy, for every code', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const { problem, headers } = toProblem(new PayflowError(code, 'what happened'));
      expect(problem).toMatchObject({
        code,
        status: ERROR_CODES[code].http,
        remedy: ERROR_CODES[code].remedy,
      });
      expect('retry-after' in headers).toBe(problem.status === 503);
    }
  });

  it('say nothing of what is inside when it is a defect', () => {
    const { problem } = toProblem(new TypeError('secret internals'));
    expect(problem).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(JSON.stringify(problem)).not.toContain('secret');
  });
});

describe('pages', () => {
  it('give a cursor only when there is more', () => {
    expect(nextPage(['a', 'b', 'c'], 2, (id) => id)).toEqual({
      items: ['a', 'b'],
      nextCursor: encodeCursor('b'),
    });
    expect(nextPage(['a', 'b'], 2, (id) => id).nextCursor).toBeNull();
    expect(decodeCursor(encodeCursor('kasse-7'))).toBe('kasse-7');
    for (const made of ['a\0', 'kasse-ä', '', "a' OR ''='", 'x'.repeat(151)]) {
      expect(() => decodeCursor(encodeCursor(made))).toThrowError(/not one that was given out/);
    }
    expect(() => decodeCursor('*')).toThrowError(expect.objectContaining({ code: 'VALIDATION' }) as Error);
  });
});

describe('readiness', () => {
  const slot = {
    name: 's',
    exists: true,
    active: true,
    lagBytes: 0,
    walStatus: 'reserved',
    safeWalBytes: null,
  };
  const stream = { topic: 't', lastOffset: 1, position: '1:0/0:0', updatedAt: '2026-01-01T00:00:00.000Z' };
  const minutesLater = (minutes: number) => new Date(Date.parse(stream.updatedAt) + minutes * 60_000);

  it('needs a capture that is connected and has written lately', () => {
    expect(captureReadiness(slot, [stream], minutesLater(1)).ready).toBe(true);
    expect(captureReadiness(slot, [stream], minutesLater(10)).ready).toBe(false);
    expect(captureReadiness({ ...slot, active: false }, [stream], minutesLater(1)).ready).toBe(false);
    expect(captureReadiness({ ...slot, exists: false }, [], minutesLater(1)).problem).toBe('SLOT_LOST');
  });
});

describe('replies of agents', () => {
  it('keep the agent’s own code, and are refused when they are of another form', () => {
    const failure = { ok: false, code: 'LOG_UNREACHABLE', message: 'no broker' };
    expect(() => readReply('sync:flush', failure)).toThrowError(
      expect.objectContaining({ code: 'LOG_UNREACHABLE', message: 'no broker' }) as Error,
    );
    for (const odd of [undefined, {}, { ok: true, result: { applied: 'many' } }]) {
      expect(() => readReply('sync:flush', odd)).toThrowError(
        expect.objectContaining({ code: 'RECORD_MALFORMED' }) as Error,
      );
    }
  });
});

describe('enrolment codes', () => {
  it('are told apart however they are typed', () => {
    const code = newEnrolmentCode();
    expect(code).toMatch(/^([A-HJKMNP-TV-Z0-9]{4}-){3}[A-HJKMNP-TV-Z0-9]{4}$/);
    expect(normalizeEnrolmentCode(` ${code.toLowerCase()} `)).toBe(code);
    expect(newEnrolmentCode()).not.toBe(code);
  });
});
