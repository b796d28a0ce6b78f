/** The other shop's tables as its testers know them: names on both sides, kinds of values, who points where. */
import type { KindName } from './kinds.ts';

export interface Column {
  readonly till: string;
  readonly centre: string;
  readonly kind: KindName;
}

export interface Pointer {
  readonly till: string;
  readonly centre: string;
  /** Name of the table pointed to. */
  readonly to: string;
  /** Which of its columns hold what is pointed to. */
  readonly tillKey: string;
  readonly centreKey: string;
}

export interface Table {
  readonly till: string;
  /** Quoted, with schema. */
  readonly centre: string;
  /** SQL that names a row the same way on both sides. */
  readonly tillName: string;
  readonly centreName: string;
  readonly columns: readonly Column[];
  readonly pointers: readonly Pointer[];
  /** SQL over `r`: the rows that belong to the store $1; null where all do. */
  readonly ofStore: string | null;
  readonly direction: 'both' | 'push' | 'pull';
}

const column = (till: string, kind: KindName, centre = till): Column => ({ till, centre, kind });
const toItem = (till: string, tillKey = 'Item No'): Pointer => ({
  till,
  centre: 'item',
  to: 'select',
  tillKey,
  centreKey: 'id',
});
const table = (till: string, centre: string, rest: Partial<Table> & Pick<Table, 'columns'>): Table => ({
  till,
  centre,
  tillName: 'r.tag',
  centreName: 'r.tag',
  pointers: [],
  ofStore: null,
  direction: 'both',
  ...rest,
});

export const ITEM_COLUMNS: readonly Column[] = [
  column('Label', 'label'),
  column('order', 'boolean'),
  column('state', 'state'),
  column('price_cents', 'cents', 'price'),
  column('weight in g', 'whole', 'weight'),
  column('exact', 'numeric'),
  column('ratio', 'double'),
  column('single', 'single'),
  column('big', 'bigint'),
  column('small', 'smallint'),
  column('made', 'date'),
  column('opens', 'time'),
  column('lasts', 'interval'),
  column('seen', 'timestamp'),
  column('tags', 'texts'),
  column('sizes', 'integers'),
  column('amounts', 'amounts'),
  column('picture', 'bytes'),
  column('attrs', 'jsonb'),
  column('raw', 'json'),
  column('code', 'char'),
  column('place', 'point'),
  column('span', 'range'),
  column('address', 'address'),
  column('other', 'uuid'),
];

const SALE_OF_STORE = `SELECT s.id FROM "Ops"."Sale" s WHERE s.branch = $1`;

export const TABLES: readonly Table[] = [
  table('Filiale', '"Ops"."Branch"', {
    ofStore: 'r.code = $1',
    columns: [
      column('opened', 'date', 'Opened On'),
      column('geo', 'jsonb', 'Geo'),
      column('colours', 'texts'),
      column('logo', 'bytes'),
      column('latitude', 'double'),
    ],
  }),
  table('group', '"Ops"."Group Of Items"', {
    columns: [column('slug', 'text'), column('Name', 'text'), column('changed', 'epochS')],
    pointers: [{ till: 'parent', centre: 'parent', to: 'group', tillKey: 'id', centreKey: 'id' }],
  }),
  table('select', 'public.items', {
    columns: [
      ...ITEM_COLUMNS,
      column('stock', 'amount'),
      column('is_deleted', 'boolean'),
      column('updatedAt', 'instant'),
    ],
    pointers: [
      { till: 'group', centre: 'group', to: 'group', tillKey: 'id', centreKey: 'id' },
      { till: 'main_variant', centre: 'main_variant', to: 'variants', tillKey: 'id', centreKey: 'id' },
    ],
  }),
  table('variants', 'public.variants', {
    columns: [
      column('names', 'texts', 'Names'),
      column('extra', 'nullableText'),
      column('updated_at', 'instant'),
    ],
    pointers: [toItem('item_server_id', 'server_id')],
  }),
  table('price list', '"Ops".price_list', {
    tillName: `(SELECT tag FROM "select" WHERE "Item No" = r.item) || r.valid_from`,
    centreName: `(SELECT tag FROM items WHERE id = r.item) || r.valid_from`,
    columns: [column('price', 'price')],
    pointers: [toItem('item')],
    direction: 'push',
  }),
  table('Sales', '"Ops"."Sale"', {
    ofStore: 'r.branch = $1',
    columns: [
      column('When', 'epochMs', 'sold_at'),
      column('wall', 'wall', 'wall_time'),
      column('day', 'day'),
      column('total', 'cents'),
      column('updated_at', 'instant'),
    ],
  }),
  table(`Sale's "lines"`, 'public.lines', {
    ofStore: `r.sale IN (${SALE_OF_STORE})`,
    columns: [column('qty', 'amount'), column('deleted_at', 'instant'), column('updated_at', 'instant')],
    pointers: [
      { till: 'sale', centre: 'sale', to: 'Sales', tillKey: 'id', centreKey: 'id' },
      toItem('item'),
      { till: 'variant', centre: 'variant', to: 'variants', tillKey: 'id', centreKey: 'id' },
    ],
  }),
  table('line_notes', '"Ops".line_notes', {
    ofStore: `r.line IN (SELECT l.id FROM lines l WHERE l.sale IN (${SALE_OF_STORE}))`,
    columns: [column('note', 'nullableText')],
    pointers: [
      { till: 'line_uuid', centre: 'line', to: `Sale's "lines"`, tillKey: 'local_id', centreKey: 'id' },
    ],
  }),
  table('movement', '"Ops".movement', {
    ofStore: 'r.branch = $1',
    columns: [column('happened_on', 'neverDate'), column('amount', 'amount')],
    pointers: [toItem('item')],
  }),
  table('counters', '"Ops".counters', {
    ofStore: 'r.branch = $1',
    tillName: `r.branch || ':' || r."No"`,
    centreName: `r.branch || ':' || r."No"`,
    columns: [column('Value', 'bigint'), column('who', 'nullableText'), column('updated_at', 'instant')],
  }),
  table('Journal', '"Ops".journal', {
    ofStore: 'r.branch = $1',
    columns: [column('said', 'text')],
    direction: 'pull',
  }),
  table('flags', '"Ops".flags', {
    tillName: `r."say ""hi"""`,
    centreName: `r."say ""hi"""`,
    columns: [column('On', 'boolean'), column('settings', 'settings')],
    direction: 'push',
  }),
  table('members', '"Ops".members', {
    columns: [
      column('card', 'text'),
      column('email', 'nullableText', 'E-Mail'),
      column('points', 'count'),
      column('is_deleted', 'boolean'),
      column('updated_at', 'instant'),
    ],
  }),
];
