import tseslint from 'typescript-eslint'

export default tseslint.config(
  {ignores: ['dist/', '.venv/', 'checkpoints/', 'data/', 'python/', 'test/fixtures/']},
  {
    files: ['**/*.ts', '**/*.mjs'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      // No code from data: the readers recognise names and call nothing. Their typed twin forbids `new Function`, too.
      'no-eval': 'error',
      'no-new-func': 'error',
      '@typescript-eslint/no-implied-eval': 'error',
    },
  },
)
