/** Whether a till's column can hold what the central column holds, and the other way round. Pure. */
import type { CentralColumn } from './central-catalog.ts';
import { typeShape, type TypeShape } from './central-types.ts';
import type { LocalColumn } from './local-catalog.ts';
import type { TableMapping } from '../mapping/mapping.ts';

export interface TypeFinding {
  readonly kind: 'mismatch' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

interface Pair {
  /** `products.price (NUMERIC)` */
  readonly till: string;
  /** `products.price (numeric(12,2))` */
  readonly centre: string;
  readonly central: CentralColumn;
  readonly local: LocalColumn;
  readonly shape: TypeShape;
  readonly format: string | undefined;
  readonly minorUnits: number | undefined;
  readonly charset: string | undefined;
}

/** Every decimal of so many digits is told apart by a double. */
const DOUBLE_DIGITS = 15;

/** @returns the gravest finding, null where values pass unchanged. */
export function typeFinding(
  table: TableMapping,
  central: CentralColumn,
  local: LocalColumn,
): TypeFinding | null {
  const options = table.columns.get(local.name) ?? {};
  const pair: Pair = {
    till: `${table.local}.${local.name} (${local.declaredType === '' ? 'no type' : local.declaredType})`,
    centre: `${table.central}.${central.name} (${central.type})`,
    central,
    local,
    shape: typeShape(central.type),
    format: options.format,
    minorUnits: options.minorUnits,
    charset: options.charset,
  };
  return optionFinding(pair) ?? generatedFinding(pair) ?? formFinding(pair) ?? familyFinding(pair);
}

/** An option that this central type can't have. */
function optionFinding({ centre, shape, format, minorUnits, charset }: Pair): TypeFinding | null {
  const { family } = shape;
  if (format !== undefined && family !== 'timestamp' && family !== 'timestamptz' && family !== 'date')
    return {
      kind: 'mismatch',
      code: 'format_without_time',
      message: `${centre} is no point in time, but has format: ${format}`,
      remedy: 'take format out, or make it a timestamptz',
    };
  if (minorUnits !== undefined && family !== 'numeric' && family !== 'integer' && family !== 'float')
    return {
      kind: 'mismatch',
      code: 'minor_units_without_number',
      message: `${centre} is no number, but has minor_units`,
      remedy: 'take minor_units out',
    };
  if (charset !== undefined && !['text', 'char', 'json', 'array'].includes(family))
    return {
      kind: 'mismatch',
      code: 'charset_without_text',
      message: `${centre} is no text, but has charset: ${charset}`,
      remedy: 'take charset out',
    };
  return null;
}

/** A generated column takes no value, and one at the centre is not sent either. */
function generatedFinding({ central, local, till, centre }: Pair): TypeFinding | null {
  if (!central.generated && !local.generated) return null;
  if (central.generated && local.generated)
    return {
      kind: 'warning',
      code: 'generated_twice',
      message: `${till} and ${centre} are both generated: each side computes its own`,
      remedy: 'make sure that both compute the same, or exclude it',
    };
  const [generated, plain] = central.generated ? [centre, till] : [till, centre];
  return {
    kind: 'mismatch',
    code: 'generated_column',
    message: `${generated} is generated and takes no values, so ${plain} neither sends nor gets any`,
    remedy: 'exclude it, or make both sides plain columns',
  };
}

/** Values whose form itself does not fit, whatever the value is. */
function formFinding({ shape, local, till, centre }: Pair): TypeFinding | null {
  if (shape.isMoney)
    return {
      kind: 'mismatch',
      code: 'money_type',
      message: `how ${centre} is written depends on the server's lc_monetary`,
      remedy: 'make it numeric(12,2) at the centre',
    };
  if (shape.family === 'uuid' && /blob|binary|bytea/i.test(local.declaredType))
    return {
      kind: 'mismatch',
      code: 'uuid_in_blob',
      message: `${till} holds bytes, ${centre} travels as text`,
      remedy: 'declare it TEXT on the till, or make it bytea at the centre',
    };
  return null;
}

function familyFinding(pair: Pair): TypeFinding | null {
  switch (pair.shape.family) {
    case 'numeric':
      return numericFinding(pair);
    case 'integer':
      return integerFinding(pair);
    case 'timestamp':
    case 'timestamptz':
    case 'date':
      return timeFinding(pair);
    case 'text':
    case 'char':
      return isNumberColumn(pair.local) ? numbersInsteadOfText(pair) : null;
    case 'uuid':
    case 'json':
    case 'array':
      return isNumberColumn(pair.local) && pair.shape.family !== 'uuid' ? numbersInsteadOfText(pair) : null;
    case 'boolean':
    case 'float':
    case 'bytes':
      return null;
  }
}

function numericFinding(pair: Pair): TypeFinding | null {
  const { shape, local, minorUnits, till, centre } = pair;
  if (minorUnits !== undefined) {
    if (shape.scale !== null && shape.scale <= minorUnits) return null;
    return {
      kind: 'mismatch',
      code: 'minor_units_too_few',
      message: `${centre} has more digits after the point than minor_units: ${minorUnits} keeps`,
      remedy: `set minor_units to ${shape.scale ?? 'its scale'}, or give the centre numeric(12,${minorUnits})`,
    };
  }
  if (local.affinity === 'TEXT' || local.affinity === 'BLOB') return null;
  if (local.affinity === 'INTEGER' && (shape.scale === null || shape.scale > 0))
    return {
      kind: 'mismatch',
      code: 'decimals_in_integer',
      message: `${till} is a whole number, ${centre} has digits after the point`,
      remedy: 'say minor_units where it counts cents, or declare it NUMERIC on the till',
    };
  if (shape.precision !== null && shape.precision > DOUBLE_DIGITS)
    return {
      kind: 'mismatch',
      code: 'precision_lost',
      message: `${till} keeps ${DOUBLE_DIGITS} digits, ${centre} may have ${shape.precision}`,
      remedy: 'declare it TEXT on the till, use minor_units, or lower the precision at the centre',
    };
  if (shape.precision === null && shape.scale === null)
    return {
      kind: 'warning',
      code: 'precision_unbounded',
      message: `${till} keeps ${DOUBLE_DIGITS} digits, ${centre} any number`,
      remedy: 'give the centre a precision, or declare it TEXT on the till',
    };
  if (local.affinity !== 'REAL') return null;
  return {
    kind: 'warning',
    code: 'real_money',
    message: `${till} is binary floating point, ${centre} exact`,
    remedy: 'sums on the till may be off by fractions of a cent; better an INTEGER of minor_units',
  };
}

function integerFinding({ central, local, till, centre }: Pair): TypeFinding | null {
  if (central.kind !== 'bigint' || local.affinity !== 'REAL') return null;
  return {
    kind: 'mismatch',
    code: 'precision_lost',
    message: `${till} keeps ${DOUBLE_DIGITS} digits, ${centre} up to 19`,
    remedy: 'declare it INTEGER on the till',
  };
}

/** Digits of a second; a Julian day in a double tells ms apart, which is all that SQLite's functions give. */
const KEPT_DIGITS: Readonly<Record<string, number>> = { epoch_s: 0, sqlite: 0, epoch_ms: 3, julian: 3 };

function timeFinding({ shape, local, format, till, centre }: Pair): TypeFinding | null {
  const isNumber = format === 'epoch_s' || format === 'epoch_ms' || format === 'julian';
  if (!isNumber && local.affinity === 'INTEGER')
    return {
      kind: 'mismatch',
      code: 'time_in_integer',
      message: `${till} is an integer, but its values are taken for texts of ${centre}`,
      remedy: 'say format: epoch_s, epoch_ms or julian',
    };
  if (format === 'local')
    return {
      kind: 'warning',
      code: 'local_time',
      message: `${till} is local time: one hour a year comes twice`,
      remedy: 'better UTC on the till; the first of the two hours is taken',
    };
  if (shape.family === 'date') return null;
  const kept = format === undefined ? 6 : (KEPT_DIGITS[format] ?? 6);
  const isExact = local.affinity === 'REAL' && format?.startsWith('epoch') === true;
  const loses = format === 'date' || (kept < shape.secondDigits && !isExact);
  if (!loses) return null;
  const type = shape.family === 'timestamptz' ? 'timestamptz' : 'timestamp';
  return {
    kind: 'warning',
    code: 'time_precision',
    message: `${till} with format: ${format ?? 'iso'} keeps less than ${centre}`,
    remedy: format === 'date' ? 'make it a date at the centre' : `make it ${type}(${kept}) at the centre`,
  };
}

function numbersInsteadOfText({ till, centre }: Pair): TypeFinding {
  return {
    kind: 'warning',
    code: 'text_in_number',
    message: `${till} turns texts of ${centre} that look like numbers into numbers (007 into 7)`,
    remedy: 'declare it TEXT on the till',
  };
}

function isNumberColumn(local: LocalColumn): boolean {
  return local.affinity === 'INTEGER' || local.affinity === 'NUMERIC' || local.affinity === 'REAL';
}
