/**
 * No text sends anybody to a command that does not exist: every one that an error, a help text or a README names
 * is run with --help, and every option that it names is in that help.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { payflow } from '../../support/cli.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Named {
  readonly where: string;
  /** As it stands in the text, behind `payflow`. */
  readonly text: string;
}

function filesUnder(folder: string, ends: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ends))
    .map((name) => join(ROOT, folder, name));
}

/** Where `payflow <something>` is a command: in `code`, behind a prompt or a script's path, and in our messages. */
const COMMAND = /(?:scripts\/)?payflow ((?:[a-z][a-z-]+)(?: +[^`'"\n|;)]*)?)/g;

function namedIn(file: string): Named[] {
  const where = relative(ROOT, file);
  const text = readFileSync(file, 'utf8');
  const isCode = file.endsWith('.ts');
  return [...text.matchAll(COMMAND)].flatMap((match) => {
    const before = text[match.index - 1] ?? '\n';
    const named = match[1] ?? '';
    // In code a backtick also begins a template: names of sessions and tokens are none of commands.
    const isTemplate = isCode && before === '`' && named.includes('${');
    const inCode = (before === '`' && !isTemplate) || before === '$' || match[0].startsWith('scripts/');
    const inMessage = isCode && text.slice(match.index - 2, match.index) === ': ';
    return inCode || inMessage ? [{ where, text: named }] : [];
  });
}

/** Commands and subcommands of a path, as the help tells them. */
async function helpOf(path: readonly string[]): Promise<string | null> {
  const { code, stdout } = await payflow([...path, '--help']);
  return code === 0 ? stdout : null;
}

const known = new Map<string, string | null>();
async function knownHelp(path: readonly string[]): Promise<string | null> {
  const name = path.join(' ');
  if (!known.has(name)) known.set(name, await helpOf(path));
  return known.get(name) ?? null;
}

/** The longest path of commands at the start of a text, with its help. */
async function resolve(words: readonly string[]): Promise<{ path: string[]; help: string } | null> {
  const [first = '', second = ''] = words;
  const top = await knownHelp([]);
  if (top === null || !lists(top, first)) return null;
  const help = await knownHelp([first]);
  if (help === null) return null;
  if (/^[a-z][a-z-]*$/.test(second) && lists(help, second)) {
    return { path: [first, second], help: (await knownHelp([first, second])) ?? '' };
  }
  // A group of commands, named with a word that is none of them.
  const isGroup = help.includes('\nCommands:');
  if (isGroup && /^[a-z][a-z-]*$/.test(second)) return null;
  return { path: [first], help };
}

function lists(help: string, command: string): boolean {
  const commands = help.slice(help.indexOf('\nCommands:'));
  return new RegExp(`\\n  ${command}(\\s|$)`).test(commands);
}

const optionsIn = (text: string) =>
  [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([option]) => option);

const named: Named[] = [];
const helpLines: Named[] = [];

beforeAll(async () => {
  const files = [
    ...filesUnder('services', '.ts'),
    ...filesUnder('services', '.md'),
    ...filesUnder('scripts', '.ts'),
    join(ROOT, 'README.md'),
    join(ROOT, 'docker-compose.yml'),
  ];
  named.push(...files.flatMap(namedIn));
  const walk = async (path: readonly string[]): Promise<void> => {
    const help = await knownHelp(path);
    if (help === null) return;
    for (const [, text] of help.matchAll(/\$ (?:[A-Z_]+=\S+ )*payflow ([^\n]+)/g)) {
      helpLines.push({ where: `${path.join(' ')} --help`, text: text ?? '' });
    }
    const commands = help.split('\nCommands:\n')[1]?.split('\n\n')[0] ?? '';
    for (const [, child] of commands.matchAll(/^ {2}([a-z][a-z-]*)/gm)) {
      if (child !== undefined && child !== 'help') await walk([...path, child]);
    }
  };
  await walk([]);
});

async function faults(of: readonly Named[]): Promise<string[]> {
  const found: string[] = [];
  for (const { where, text } of of) {
    const at = await resolve(text.trim().split(/\s+/));
    if (at === null) {
      found.push(`${where}: payflow ${text}`);
      continue;
    }
    for (const option of optionsIn(text)) {
      if (option !== '--help' && !at.help.includes(option))
        found.push(`${where}: payflow ${text} (${option})`);
    }
  }
  return found;
}

describe('every command', () => {
  it('that an error, a message or a document names exists, with the options named', async () => {
    expect(named.length).toBeGreaterThan(25);
    expect(named.map(({ text }) => text)).toContain('dead-letters retry ID --set TABLE.COLUMN=VALUE');
    expect(await faults(named)).toEqual([]);
  });

  it('that the help shows as an example exists, with the options shown', async () => {
    expect(helpLines.length).toBeGreaterThan(40);
    expect(await faults(helpLines)).toEqual([]);
  });

  it('that would be named wrongly is found', async () => {
    const wrong = ['dead-letters revive 7', 'nonsense', 'dead-letters retry 7 --backwards', 'token'];
    const expected = wrong.slice(0, 3);
    const found = await faults(wrong.map((text) => ({ where: 'here', text })));
    expect(found).toHaveLength(expected.length);
  });
});
