import {execFileSync} from 'node:child_process'
import {availableParallelism} from 'node:os'
import {fileURLToPath} from 'node:url'
import {measureEvaluations} from './evaluation.js'
import {measureLatencies, type Latencies} from './latency.js'
import {measureStarts} from './start.js'
import {measureTransfers} from './transfer.js'

/** `npm run bench:bridge`: the bridge beside its peers, all in one run, with the goals that it has to reach. */
const LATENCY_FLAG = '--latency-with-python-on-core'

if (process.argv[2] === LATENCY_FLAG) {
  process.stdout.write(JSON.stringify(await measureLatencies(Number(process.argv[3]))))
  process.exit(0) // pythonia never lets a process end by itself
}
printLatencies('Round trip, Node and Python on the same core', pinnedLatencies(0), 2.5)
if (availableParallelism() > 1) {
  printLatencies('Round trip, Node on core 0 and Python on core 1', pinnedLatencies(1), 2)
}
await printTransfers()
await printStarts()
await printEvaluations()

/** A process keeps the core that it is started on, so each measurement has a process of its own. */
function pinnedLatencies(pythonCore: number): Latencies {
  const own = fileURLToPath(import.meta.url)
  const args = ['-c', '0', process.execPath, own, LATENCY_FLAG, String(pythonCore)]
  return JSON.parse(execFileSync('taskset', args, {encoding: 'utf8'})) as Latencies
}

function printLatencies(title: string, latencies: Latencies, limit: number): void {
  const pipeUs = latencies['plain pipe'] ?? NaN
  print(`\n${title} (one JSON value each way, µs, ratio to the plain pipe)`)
  for (const [name, timeUs] of Object.entries(latencies)) {
    print(`  ${name.padEnd(14)} ${timeUs.toFixed(1).padStart(8)}   ${(timeUs / pipeUs).toFixed(2)}`)
  }
  goal('ratio of this bridge to the pipe', (latencies['this bridge'] ?? NaN) / pipeUs, '≤', limit)
}

async function printTransfers(): Promise<void> {
  const {fileToPython, base64ToPython, fileToNode, base64ToNode} = await measureTransfers()
  print('\n80 MB of float32 (ms; the longest stall of the event loop)')
  const directions = [
    {name: 'Node to Python', file: fileToPython, base64: base64ToPython},
    {name: 'Python to Node', file: fileToNode, base64: base64ToNode},
  ]
  for (const {name, file, base64} of directions) {
    print(`  ${name}, file    ${file.tookMs.toFixed(0).padStart(6)}   stall ${file.stallMs.toFixed(0)}`)
    print(`  ${name}, base64  ${base64.tookMs.toFixed(0).padStart(6)}   stall ${base64.stallMs.toFixed(0)}`)
  }
  for (const {name, file, base64} of directions) {
    goal(`${name}: base64 / file`, base64.tookMs / file.tookMs, '≥', 8)
    goal(`${name}: stall with a file in ms`, file.stallMs, '≤', 50)
  }
}

async function printStarts(): Promise<void> {
  const {nodeMs, pythonMs, firstCallMs, importPaddleMs, firstCallWithPaddleMs} = await measureStarts()
  print('\nFrom the start of the process (ms)')
  print(`  node -e 0                       ${nodeMs.toFixed(0).padStart(6)}`)
  print(`  python -c pass                  ${pythonMs.toFixed(0).padStart(6)}`)
  print(`  first answered call             ${firstCallMs.toFixed(0).padStart(6)}`)
  print(`  python -c "import paddle"       ${importPaddleMs.toFixed(0).padStart(6)}`)
  print(`  first answered call with Paddle ${firstCallWithPaddleMs.toFixed(0).padStart(6)}`)
  goal('with Paddle / python -c "import paddle"', firstCallWithPaddleMs / importPaddleMs, '≤', 1.15)
}

async function printEvaluations(): Promise<void> {
  const {expressions, pythonMs, bridgeMs, pythonOwnMs, bridgeOwnMs, nodeCpuMs} = await measureEvaluations()
  print(`\nA whole evaluation of ${expressions} expressions (ms, from the start of Python to its end)`)
  print(
    `  pure Python          ${pythonMs.toFixed(0).padStart(6)}   the evaluation alone ${pythonOwnMs.toFixed(0)}`,
  )
  print(
    `  through this bridge  ${bridgeMs.toFixed(0).padStart(6)}   the evaluation alone ${bridgeOwnMs.toFixed(0)}`,
  )
  print(`  Node computed for    ${nodeCpuMs.toFixed(0).padStart(6)}`)
  goal('through the bridge / pure Python', bridgeMs / pythonMs, '≤', 1.02)
}

function goal(what: string, value: number, relation: '≤' | '≥', limit: number): void {
  const isReached = relation === '≤' ? value <= limit : value >= limit
  print(`  goal: ${what} ${value.toFixed(2)} ${relation} ${limit} ${isReached ? '✔' : '✘'}`)
  if (!isReached) process.exitCode = 8
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
