import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTerminalCsv } from '../../../services/cli/commands/terminals.ts';
import { jobExitCode } from '../../../services/cli/commands/sync.ts';
import { exitCodeOf } from '../../../services/cli/exit-code.ts';
import { parseTillPlan, parseTillPlans } from '../../../services/cli/up/up-plan.ts';
import { bytesText, durationText } from '../../../services/cli/terminal-output.ts';
import type { JobView } from '../../../services/gateway/jobs/job.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import { payflow } from '../../support/cli.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-cli-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('help', () => {
  it('lists every command, and each one explains itself with an example', async () => {
    const { code, stdout } = await payflow(['--help']);
    expect(code).toBe(0);
    const paths = [
      ['up'],
      ['run'],
      ['setup'],
      ['terminals'],
      ['terminals', 'register'],
      ['terminals', 'list'],
      ['terminals', 'retire'],
      ['enroll'],
      ['bootstrap'],
      ['parity'],
      ['sync'],
      ['status'],
      ['replay'],
      ['mapping'],
      ['mapping', 'check'],
      ['triggers'],
      ['triggers', 'show'],
      ['token'],
      ['token', 'create'],
      ['token', 'list'],
      ['token', 'revoke'],
      ['config'],
    ];
    for (const path of paths) {
      expect(stdout).toContain(path[0]);
      const help = await payflow([...path, '--help']);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain('Examples:');
      expect(help.stdout).toContain(`$ payflow ${path.join(' ')}`);
      // Variables stand before the command, so that the line can be pasted.
      expect(help.stdout).not.toMatch(/\$ payflow [A-Z_]+=/);
    }
  });
});

describe('exit codes', () => {
  it('are 2 with one line and a code on stderr for wrong usage', async () => {
    const wrong = [
      ['nonsense'],
      ['sync', '--direction', 'sideways', '--all'],
      ['sync'],
      ['sync', '--all', '--store', 's1'],
      ['run', 'everything'],
      ['replay', '--stream', 'x'],
      ['replay', '--stream', 'x', '--from-offset', '9', '--to-offset', '8', '--terminal', 't'],
      ['terminals', 'register', '--terminal', 't'],
      ['up', '--terminal', 'till-1'],
    ];
    for (const args of wrong) {
      const { code, stdout, stderr } = await payflow(args);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(stderr).toMatch(/^\[USAGE\] .+\n$/);
      expect(stdout).toBe('');
    }
  });

  it('are 2 naming the variable when configuration is missing', async () => {
    const commands: [string[], string][] = [
      [['run', 'capture'], 'DATABASE_URL'],
      [['setup'], 'DATABASE_URL'],
      [['status'], 'PAYFLOW_TOKEN'],
      [['token', 'list'], 'DATABASE_URL'],
    ];
    for (const [args, variable] of commands) {
      const { code, stderr } = await payflow(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^\[CONFIG_INVALID\] /);
      expect(stderr).toContain(variable);
    }
    const noBrokers = await payflow(['run', 'capture'], {
      DATABASE_URL: 'postgres://h/d',
      LOG_LEVEL: 'silent',
    });
    expect(noBrokers).toMatchObject({ code: 2 });
    expect(noBrokers.stderr).toContain('KAFKA_BROKERS');
  });

  it('are 3 when the gateway does not answer', async () => {
    const env = { PAYFLOW_TOKEN: 'x', GATEWAY_URL: 'http://127.0.0.1:9' };
    const { code, stderr } = await payflow(['status'], env);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^\[GATEWAY_UNREACHABLE\] /);
  });

  it('are 2 for a till file that is missing or no database, and for a till that is not enrolled', async () => {
    const text = join(folder, 'text.db');
    writeFileSync(text, 'this is not a database, it only looks like a file');
    const missing = await payflow(['triggers', 'show', '--terminal-db', join(folder, 'none.db')]);
    expect(missing).toMatchObject({ code: 2 });
    expect(missing.stderr).toContain('[TERMINAL_DB_MISSING]');
    const invalid = await payflow(['triggers', 'show', '--terminal-db', text]);
    expect(invalid).toMatchObject({ code: 2 });
    expect(invalid.stderr).toContain('[TERMINAL_DB_INVALID]');
    const aFolder = await payflow(['parity', '--terminal-db', folder]);
    expect(aFolder).toMatchObject({ code: 2 });
    expect(aFolder.stderr).toContain('[TERMINAL_DB_INVALID]');
    const env = { DATA_DIR: folder, TERMINAL_DB: text, LOG_LEVEL: 'silent' };
    const stranger = await payflow(['run', 'terminal'], env);
    expect(stranger).toMatchObject({ code: 2 });
    expect(stranger.stderr).toContain('[TERMINAL_NOT_ENROLLED]');
  });

  it('follow the error’s code', () => {
    expect(exitCodeOf(new PayflowError('DB_AUTH', ''))).toBe(2);
    expect(exitCodeOf(new PayflowError('DB_WAL_LEVEL', ''))).toBe(2);
    expect(exitCodeOf(new PayflowError('SLOT_LOST', ''))).toBe(3);
    expect(exitCodeOf(new PayflowError('DB_UNREACHABLE', ''))).toBe(3);
    expect(exitCodeOf(new PayflowError('INTERNAL', ''))).toBe(3);
  });
});

describe('config', () => {
  it('shows everything with secrets masked, and then fails on what is wrong', async () => {
    const good = await payflow(['config', '--json'], { DATABASE_URL: 'postgres://u:hidden@h/d' });
    expect(good.code).toBe(0);
    expect(good.stdout).not.toContain('hidden');
    expect((JSON.parse(good.stdout) as unknown[]).length).toBeGreaterThan(30);
    const bad = await payflow(['config'], { GATEWAY_PORT: 'x' });
    expect(bad.code).toBe(2);
    expect(bad.stdout).toContain('GATEWAY_PORT');
    expect(bad.stderr).toContain('[CONFIG_INVALID] GATEWAY_PORT');
  });
});

describe('mapping check', () => {
  it('is 1 with every mistake and its line, 2 when there is no file', async () => {
    const file = join(folder, 'mapping.yaml');
    writeFileSync(file, 'version: 1\ntables:\n  products:\n    scope: nowhere\n');
    const wrong = await payflow(['mapping', 'check'], { MAPPING_FILE: file });
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/line 4/);
    const none = await payflow(['mapping', 'check'], { MAPPING_FILE: join(folder, 'none.yaml') });
    expect(none).toMatchObject({ code: 2 });
    expect(none.stderr).toContain('MAPPING_FILE');
    expect((await payflow(['mapping', 'check'])).code).toBe(0);
  });

  it('names what tills of the version before can not read', async () => {
    const file = join(folder, 'newer.yaml');
    writeFileSync(
      file,
      `version: 1
tables:
  products:
    scope: global
    app_triggers: keep
    columns: {name: {charset: latin1}, note: {empty: null}, sold_at: {format: julian}, at: {format: iso}}
`,
    );
    const { code, stdout } = await payflow(['mapping', 'check'], { MAPPING_FILE: file });
    expect(code).toBe(0);
    expect(stdout).toMatch(/upgrade every till before setup publishes it/);
    const { stdout: json } = await payflow(['mapping', 'check', '--json'], { MAPPING_FILE: file });
    expect(JSON.parse(json)).toEqual({
      valid: true,
      problems: [],
      needsNewTills: [
        'products: app_triggers',
        'products.name: charset',
        'products.note: empty: null',
        'products.sold_at: format: julian',
      ],
    });
  });
});

describe('the outcome of sync --wait', () => {
  const counts = { published: 1, applied: 1, merged: 0, lost: 0, rejected: 0, held: 0, tables: {} };
  const job = (state: JobView['state'], terminals: JobView['terminals']): JobView => ({
    jobId: 'j',
    direction: 'pull',
    state,
    terminals,
    startedAt: '',
    durationMs: 1,
  });

  it('is 0 only when all is applied or merged', () => {
    const done = { terminalId: 't', state: 'done', pull: counts } as const;
    expect(jobExitCode(job('done', [done]))).toBe(0);
    expect(jobExitCode(job('done', [{ ...done, pull: { ...counts, lost: 1 } }]))).toBe(1);
    expect(jobExitCode(job('done', [{ ...done, pull: { ...counts, held: 1 } }]))).toBe(1);
    expect(jobExitCode(job('waiting', [{ terminalId: 't', state: 'waiting' }]))).toBe(1);
    expect(jobExitCode(job('partial', [done, { terminalId: 'u', state: 'failed' }]))).toBe(1);
    expect(jobExitCode(job('failed', [{ terminalId: 'u', state: 'failed' }]))).toBe(3);
  });
});

describe('arguments', () => {
  it('reads ID=FILE@STORE, also with = and @ in the file', () => {
    expect(parseTillPlan('till-1=/data/a@b=c.db@s-1')).toEqual({
      terminalId: 'till-1',
      file: '/data/a@b=c.db',
      storeId: 's-1',
    });
    expect(() => parseTillPlans(['a=x.db@s', 'b=x.db@s'])).toThrowError(/own file/);
    expect(() => parseTillPlans(['a=x.db@s', 'a=y.db@s'])).toThrowError(/own id/);
  });

  it('reads tills from CSV with and without a head, in any column order', () => {
    const expected = [{ terminalId: 't1', storeId: 's1' }];
    for (const csv of ['t1,s1\n', 'terminal,store\nt1,s1', 'store_id;terminal_id\r\n"s1";"t1"\r\n\r\n']) {
      expect(parseTerminalCsv(csv)).toEqual(expected);
    }
    expect(() => parseTerminalCsv('terminal,store\nt1,s1\nt2\n')).toThrowError(/line 3/);
    expect(() => parseTerminalCsv('terminal,store\nt1,s1\nt2,s1\nt1,s2\n')).toThrowError(/line 4.*line 2/);
  });

  it('prints durations and sizes with their units', () => {
    expect([12, 1500, 120_000, 7_200_000, null].map(durationText)).toEqual([
      '12 ms',
      '1.5 s',
      '2 min',
      '2.0 h',
      '–',
    ]);
    expect([0, 512, 2048, 5_000_000].map(bytesText)).toEqual(['0 B', '512 B', '2.0 KB', '4.8 MB']);
  });
});
