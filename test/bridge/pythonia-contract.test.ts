import {readFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {pythoniaInterface} from '../../src/bridge/pythonia-channel.js'
import {packageRoot} from '../../src/paths.js'

/** What src/bridge/pythonia-channel.ts and python/vilbert/boot.py take for granted; a failure here names the change. */
const require = createRequire(import.meta.url)
const packageJson = z.object({
  version: z.string(),
  exports: z.unknown().optional(),
  dependencies: z.record(z.string(), z.string()),
})

test('pythonia is exactly the version whose inner parts are known', (t) => {
  const own = packageJson.parse(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')))
  const pythonia = packageJson.parse(require('pythonia/package.json'))
  t.is(own.dependencies['pythonia'], '1.2.6', 'package.json must pin pythonia to exactly 1.2.6')
  t.is(pythonia.version, '1.2.6', 'another pythonia is installed: see which of the tests below fail')
  t.is(pythonia.exports, undefined, 'pythonia now hides src/pythonia/Bridge.js behind "exports"')
})

test("pythonia's Bridge class takes any channel, asks it for requests and answers calls from its messages", async (t) => {
  const source = readFileSync(require.resolve('pythonia/src/pythonia/Bridge.js'), 'utf8')
  t.regex(source, /process\.env\.REQ_TIMEOUT/, 'the default time limit is no longer read from REQ_TIMEOUT')
  t.regex(source, /process\.env\.DEBUG/, 'DEBUG no longer makes it print: the workaround can go')
  const {Bridge} = require('pythonia/src/pythonia/Bridge.js') as {Bridge: FakeBridgeClass}
  const lines: string[] = []
  const com = {
    register: (event: unknown) => t.is(event, 'jsi'),
    write: () => t.fail('a call was written with write() instead of writeRaw()'),
    writeRaw: (line: string, requestId: number, listener: (message: object) => void) => {
      lines.push(line)
      listener({r: requestId, key: 'string', val: 'the answer'})
    },
  }
  const bridge = new Bridge(com)
  bridge.end()
  t.is(await bridge.call(0, ['python'], ['a.module'], {}), 'the answer')
  t.is(await bridge.makePyObject(0).python('a.module'), 'the answer')
  t.is(lines.length, 2)
  t.is(bridge.makePyObject(7).ffid, 7, 'an object no longer tells its number')
  const request = z
    .object({
      r: z.number(),
      action: z.string(),
      ffid: z.number(),
      key: z.array(z.string()),
      val: z.array(z.unknown()),
    })
    .parse(JSON.parse(lines[0] ?? ''))
  t.is(request.action, 'pcall', 'calls have another action')
  t.is(request.ffid, 0, 'the root object has another number')
  t.deepEqual(request.key, ['python'], 'the path of a call is written otherwise')
  t.deepEqual(request.val[0], ['a.module'], 'the arguments of a call are written otherwise')
})

type FakeBridgeClass = new (com: object) => {
  end(): void
  call(id: number, path: string[], args: string[], kwargs: object): Promise<unknown>
  makePyObject(id: number): {readonly ffid: number; python(module: string): Promise<unknown>}
}

test("pythonia's Python program serves NODE_CHANNEL_FD, line by line, from its own top level", (t) => {
  const program = readFileSync(pythoniaInterface(), 'utf8')
  t.regex(program, /os\.environ\["NODE_CHANNEL_FD"\]/, 'the channel is found in another way')
  t.regex(program, /from Bridge import Bridge/, 'the class that boot.py imports beforehand has another name')
  t.regex(program, /^com_io\(\)$/m, 'the loop no longer runs as the program is loaded')
  t.regex(program, /apiin\.readline\(\)/, 'messages are no longer lines')
})
