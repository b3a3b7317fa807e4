import test from 'ava'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {healthSchema, imageDetailsSchema, imageListSchema} from '../../src/serve/schemas.js'
import {runCli} from '../helpers/cli.js'
import {madeWorld} from '../helpers/made-world.js'
import {python, seededRandom} from '../helpers/python.js'
import {startServer} from '../helpers/server.js'

const clients = 200
const durationMs = 30_000

test('200 clients at once for 30 s: every answer is the one that is given alone, and memory stays flat', async (t) => {
  const dataRoot = await madeWorld(t, 'refcoco+', 24)
  const run = join(dataRoot, 'run')
  const training = ['--data-root', dataRoot, '--output-dir', run, '--max-steps', '2', '--set', 'model=tiny']
  t.is((await runCli(['train', '--python', python, ...training])).exitCode, 0)
  const model = ['--data-root', dataRoot, '--from-pretrained', join(run, 'last.pdparams')]
  const server = await startServer([...model, '--runs', dataRoot])
  t.teardown(() => server.stop())
  const api = `${server.url}/api/v1`
  const ask = async (body: string) => {
    const response = await fetch(`${api}/predict`, {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body,
    })
    return {status: response.status, text: await response.text()}
  }

  const alone = new Map<string, string>()
  for (const body of await questions(api)) alone.set(body, (await ask(body)).text)
  t.true(alone.size >= 60)
  t.is(new Set(alone.values()).size, alone.size)

  const bodies = [...alone.keys()]
  const tookMs: number[] = []
  const wrong: string[] = []
  const {pid = 0} = healthSchema.parse(await (await fetch(`${api}/health`)).json()).python ?? {}
  const memory = sampleMemory({server: server.pid ?? 0, python: pid ?? 0})
  const deadline = performance.now() + durationMs
  await Promise.all(
    Array.from({length: clients}, async (_, client) => {
      const random = seededRandom(client)
      while (performance.now() < deadline) {
        const body = bodies[Math.floor(random() * bodies.length)] ?? ''
        const startedMs = performance.now()
        const {status, text} = await ask(body)
        tookMs.push(performance.now() - startedMs)
        if (status !== 200 || text !== alone.get(body)) wrong.push(`${status} ${text.slice(0, 200)}`)
      }
    }),
  )
  const grownMiB = await memory.stop()
  tookMs.sort((a, b) => a - b)
  const quantile = (share: number): string =>
    `${(tookMs[Math.floor(share * tookMs.length)] ?? 0).toFixed(0)} ms`
  const perSecond = (tookMs.length / durationMs) * 1000
  t.log(
    `${tookMs.length} answers, ${perSecond.toFixed(0)} a second; p50 ${quantile(0.5)}, p95 ${quantile(0.95)}, p99 ${quantile(0.99)}`,
  )
  for (const [name, growth] of Object.entries(grownMiB)) {
    t.log(
      `memory of ${name}: ${growth.early.toFixed(0)} MiB after 10 s, ${growth.late.toFixed(0)} MiB at the end`,
    )
    t.true(growth.late < growth.early * 1.15 + 10, name)
  }
  t.deepEqual(wrong, [])
  t.true(tookMs.length > clients)
  const {starts} = healthSchema.parse(await (await fetch(`${api}/health`)).json()).python ?? {}
  t.is(starts, 1)
})

/** Phrases that people wrote, each of its own image, some with everything that can be asked for. */
async function questions(api: string): Promise<string[]> {
  const {images} = imageListSchema.parse(await (await fetch(`${api}/images?limit=100`)).json())
  const known = await Promise.all(
    images.map(async ({id}) => {
      const answer = await fetch(`${api}/images/${id}`, {headers: {accept: 'application/json'}})
      return imageDetailsSchema.parse(await answer.json())
    }),
  )
  return known.flatMap(({id, refs}) =>
    refs.slice(0, 3).flatMap(({sentences: [phrase]}, place) => {
      const more = place === 0 ? {attention: true, leaveOut: true} : {}
      return phrase === undefined ? [] : [JSON.stringify({image: id, phrase, topK: 3 + place, ...more})]
    }),
  )
}

type Growth = {readonly early: number; readonly late: number}

/** Resident memory of processes in MiB: its mean from 8 to 12 s, when everything is warm, and of the last 4 s. */
function sampleMemory<Name extends string>(pids: Readonly<Record<Name, number>>) {
  const names = Object.keys(pids) as Name[]
  const samples = new Map(names.map((name) => [name, [] as number[]]))
  const sampling = new AbortController()
  const done = (async () => {
    while (!sampling.signal.aborted) {
      for (const name of names) samples.get(name)?.push(residentMiB(pids[name]))
      await delay(500, undefined, {signal: sampling.signal}).catch(() => undefined)
    }
  })()
  return {
    async stop(): Promise<Record<Name, Growth>> {
      sampling.abort()
      await done
      const growth = names.map((name): [Name, Growth] => {
        const values = samples.get(name) ?? []
        return [name, {early: mean(values.slice(16, 24)), late: mean(values.slice(-8))}]
      })
      return Object.fromEntries(growth) as Record<Name, Growth>
    },
  }
}

function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
