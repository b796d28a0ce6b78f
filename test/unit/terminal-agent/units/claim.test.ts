/** What the name under which payflow.db was used last says to an agent file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentFile } from '../../../../services/terminal-agent/units/agent-file.ts';

let folder: string;
let file: AgentFile;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-claim-'));
  file = AgentFile.open(folder, 'T1', () => 'one');
});
afterEach(() => {
  file.close();
  rmSync(folder, { recursive: true, force: true });
});

const CUT = { upTo: 7, id: '42' };
const cut = () => file.add([], CUT, () => true);
const reopened = () => {
  file.close();
  file = AgentFile.open(folder, 'T1', () => 'one');
};

describe('an agent file that is new', () => {
  it.each([undefined, 'one'])('beside a file that was used as %s is its first', (before) => {
    expect(file.claim(before)).toBe(false);
    expect(file.waiting).toBeNull();
  });

  it('beside one that had another name takes the place of one that is lost', () => {
    expect(file.claim('another')).toBe(false);
    expect(file.waiting).toMatchObject({ predecessor: 'another' });
  });
});

describe('an agent file that has cut', () => {
  beforeEach(() => {
    file.claim(undefined);
    cut();
  });

  it('knows the file of its name', () => {
    expect(file.claim('one')).toBe(true);
    expect(file.cutEntries).toEqual(CUT);
  });

  it('and waits knows the file of its name, and of the one before', () => {
    file.renounce({ why: 'a test' }, 'two');
    for (const before of ['one', 'two']) expect(file.claim(before)).toBe(true);
    expect(file.cutEntries).toEqual(CUT);
  });

  it('is none of a file of any other name, whatever entries that holds, after a restart too', () => {
    file.renounce({ why: 'a test' }, 'two');
    file.renamed();
    file.goOn([], CUT);
    expect(file.claim('one')).toBe(false);
    reopened();
    expect(file.cutEntries).toEqual({ upTo: 7, id: 'another' });
  });
});
