// `npm run check`: format, types, lint, unused code, package, and the same for Python. The build in ready is the
// type check of the TypeScript sources.
import {makeReady, root, runAll} from './tasks.mjs'

if (await makeReady()) {
  const ruff = ['--quiet', '--config', 'python/pyproject.toml', 'python', 'test']
  const tasks = /** @type {import('./tasks.mjs').Task[]} */ ([
    ['prettier', 'prettier', '--check', '--log-level', 'warn', '.'],
    ['eslint', 'eslint', '.'],
    ['knip', 'knip'],
    ['publint', 'publint', root],
    ['typedoc', 'typedoc', '--emit', 'none', '--logLevel', 'Warn'],
    ['ruff check', 'node', 'src/setup/venv-run.mjs', 'ruff', 'check', '--output-format', 'concise', ...ruff],
    ['ruff format', 'node', 'src/setup/venv-run.mjs', 'ruff', 'format', '--check', ...ruff],
    ['pyright', 'pyright', '-p', 'python'],
  ])
  const failed = await runAll(tasks, (line) => process.stderr.write(`${line}\n`))
  if (failed.length > 0) {
    process.stderr.write(`failed: ${failed.join(', ')}\n`)
    process.exitCode = 1
  }
}
