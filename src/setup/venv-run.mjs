// Runs a Python tool of the clone's own environment: `node src/setup/venv-run.mjs ruff check python`.
import {spawnSync} from 'node:child_process'
import {existsSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {projectVenv} from './project-venv.mjs'
import {venvPython} from './venv.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const python = venvPython(projectVenv(root).venvDir)

if (existsSync(python)) {
  const {status} = spawnSync(python, ['-m', ...process.argv.slice(2)], {cwd: root, stdio: 'inherit'})
  process.exitCode = status ?? 1
} else {
  process.stderr.write('Error: there is no Python environment yet.\nNext: Run `npm run ready`.\n')
  process.exitCode = 5
}
