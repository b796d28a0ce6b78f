/**
 * The environment, read once. Everything that can be set is declared in `settings.ts`; here it is read,
 * checked and turned into one typed object. A secret may come from a file named by `<NAME>_FILE` instead.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { PayflowError } from './errors.ts';
import { schemaFile } from './paths.ts';
import { SETTINGS, type Setting, type SettingKey } from './settings.ts';

export type Config = { readonly [K in SettingKey]: z.output<(typeof SETTINGS)[K]['schema']> };
export type Environment = Readonly<Record<string, string | undefined>>;

/** Keys of Config whose value can be missing: those `required` may be asked for. */
export type OptionalKey = { [K in SettingKey]: undefined extends Config[K] ? K : never }[SettingKey];

/** A Config in which some values are known to be there. */
export type ConfigWith<K extends SettingKey> = Config & {
  readonly [P in K]-?: Exclude<Config[P], undefined>;
};

const KEYS = Object.keys(SETTINGS) as SettingKey[];

/**
 * Reads and checks the whole environment.
 * @throws PayflowError CONFIG_INVALID naming every variable that is wrong
 */
export function loadConfig(env: Environment): Config {
  const values: Record<string, unknown> = {};
  const faults: { variable: string; problem: string }[] = [];
  for (const key of KEYS) {
    const setting: Setting = SETTINGS[key];
    const read = readVariable(setting, env);
    if ('problem' in read) {
      faults.push(read);
      continue;
    }
    const parsed = setting.schema.safeParse(read.text);
    if (parsed.success) values[key] = parsed.data;
    else {
      const problem = parsed.error.issues.map((issue) => issue.message).join(', ');
      faults.push({ variable: read.variable, problem });
    }
  }
  if (faults.length > 0) throw invalid(faults);
  return values as unknown as Config;
}

/**
 * The same configuration with the named values known to be present.
 * @throws PayflowError CONFIG_INVALID naming those that are missing
 */
export function requireSettings<K extends OptionalKey>(config: Config, ...keys: K[]): ConfigWith<K> {
  const missing = keys.filter((key) => config[key] === undefined);
  if (missing.length > 0) {
    throw invalid(missing.map((key) => ({ variable: SETTINGS[key].name, problem: 'is not set' })));
  }
  return config as ConfigWith<K>;
}

function invalid(faults: readonly { variable: string; problem: string }[]): PayflowError {
  const message = faults.map(({ variable, problem }) => `${variable} ${problem}`).join('; ');
  return new PayflowError('CONFIG_INVALID', message, {
    details: { variables: faults.map((f) => f.variable) },
  });
}

type Read = { variable: string; text: string | undefined } | { variable: string; problem: string };

function readVariable(setting: Setting, env: Environment): Read {
  const { name } = setting;
  const given = env[name];
  const direct = given === '' && !setting.emptyIsValue ? undefined : given;
  const fileName = setting.file ? env[`${name}_FILE`] : undefined;
  if (fileName === undefined || fileName === '') return { variable: name, text: direct ?? setting.default };
  if (direct !== undefined) return { variable: name, problem: `and ${name}_FILE are both set` };
  try {
    return { variable: name, text: readFileSync(fileName, 'utf8').trim() };
  } catch (error) {
    // The path itself is not repeated: somebody may have put the secret there.
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return { variable: `${name}_FILE`, problem: `names a file that cannot be read (${reason})` };
  }
}

/** What `payflow config` prints of one variable. */
export interface EffectiveSetting {
  readonly name: string;
  /** Masked where it is a secret; null when not set and without default. */
  readonly value: string | null;
  readonly source: 'environment' | 'file' | 'default' | 'unset';
  readonly help: string;
}

/** Every variable with its effective value, secrets masked. Does not check the values. */
export function effectiveSettings(env: Environment): EffectiveSetting[] {
  return KEYS.map((key) => {
    const setting: Setting = SETTINGS[key];
    const read = readVariable(setting, env);
    const text = 'text' in read ? read.text : undefined;
    return {
      name: setting.name,
      value: text === undefined ? null : masked(text, setting),
      source: sourceOf(setting, env),
      help: setting.help,
    };
  });
}

function sourceOf(setting: Setting, env: Environment): EffectiveSetting['source'] {
  if (setting.file && (env[`${setting.name}_FILE`] ?? '') !== '') return 'file';
  const given = env[setting.name];
  if (given !== undefined && (given !== '' || setting.emptyIsValue)) return 'environment';
  return setting.default === undefined ? 'unset' : 'default';
}

const MASK = '********';

function masked(text: string, setting: Setting): string {
  switch (setting.secret) {
    case 'no':
      return text;
    case 'yes':
      return MASK;
    case 'url':
      return maskUrl(text);
  }
}

/**
 * The URL without its password, also where it stands in the query. What is no URL with a host may be anything, as
 * a password that somebody pasted into the wrong variable: nothing of it is shown.
 */
export function maskUrl(text: string): string {
  if (!URL.canParse(text)) return MASK;
  const url = new URL(text);
  // An unescaped / or # in a password puts the rest of it, and the @, behind the host.
  if (url.host === '' || /@|%40/.test(url.pathname + url.search + url.hash)) return MASK;
  if (url.password !== '') url.password = MASK;
  for (const name of [...url.searchParams.keys()]) {
    if (/password|secret|token/i.test(name)) url.searchParams.set(name, MASK);
  }
  return url.href;
}

/** MAPPING_FILE as a path, relative to the working folder; its default is the package's where there is none. */
export function mappingPath(config: Config): string {
  const path = resolve(config.mappingFile);
  const isDefault = config.mappingFile === SETTINGS.mappingFile.default;
  return isDefault && !existsSync(path) ? schemaFile('mapping.yaml') : path;
}
