// The import rules at the end keep the layers: a service imports no other service, `shared` imports none.
// The CLI is the composition root (`payflow up` runs everything in one process) and may import all of them.
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const services = ['central-capture', 'central-apply', 'terminal-agent', 'gateway'];
const forbid = (folders) => ({
  'no-restricted-imports': [
    'error',
    { patterns: [{ group: folders.map((f) => `**/${f}/**`), message: 'services do not import each other' }] },
  ],
});

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json'],
        tsconfigRootDir: new URL('..', import.meta.url).pathname,
      },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      'no-empty': ['error', { allowEmptyCatch: false }],
    },
  },
  {
    files: ['**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { URL: 'readonly', process: 'readonly' } },
  },
  {
    files: ['scripts/**/*.ts', 'test/**/*.ts'],
    ignores: ['scripts/support/built.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "Literal[value='dist']",
          message: 'builtProgram refuses a build that is older than its sources',
        },
      ],
    },
  },
  ...services.map((service) => ({
    files: [`services/${service}/**/*.ts`],
    rules: forbid([...services.filter((other) => other !== service), 'cli']),
  })),
  { files: ['services/shared/**/*.ts'], rules: forbid([...services, 'cli']) },
);
