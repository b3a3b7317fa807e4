import {existsSync, readFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import test, {type ExecutionContext} from 'ava'
import {isPrivateAddress} from '../../../src/data/download/addresses.js'
import {fetchFile} from '../../../src/data/download/fetch-file.js'
import {fileTransport} from '../../../src/data/download/file-transport.js'
import {httpTransport} from '../../../src/data/download/http-transport.js'
import {NetworkError} from '../../../src/errors.js'
import {downloadCases} from '../../helpers/download-cases.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {hostileFolder} from '../../helpers/hostile.js'

for (const {id, file, kind, codes, expected} of downloadCases('download')) {
  test(`${id}: ${kind}, is refused by http and from a folder`, async (t) => {
    const body = readFileSync(join(hostileFolder, file))
    const sources = [
      {url: await serve(t, body), transport: httpTransport},
      {url: pathToFileURL(join(hostileFolder, file)), transport: fileTransport},
    ]
    for (const {url, transport} of sources) {
      const path = join(await temporaryFolder(t), 'refs(unc).p')
      const error = await t.throwsAsync(
        fetchFile({
          urls: [url],
          path,
          expected: {sizeBytes: expected?.bytes, sha256: expected?.sha256},
          transportFor: () => transport,
        }),
        {instanceOf: NetworkError},
      )
      t.true(codes.includes(error.code), error.message)
      t.is(error.exitCode, 6)
      t.false(existsSync(path))
    }
  })
}

test('pages and error messages are told apart from data without any hash', async (t) => {
  for (const id of ['dl_drive_quota', 'dl_drive_virus', 'dl_s3_denied', 'dl_json_error']) {
    const url = await serve(t, readFileSync(join(hostileFolder, 'download', `${id}.bin`)))
    const path = join(await temporaryFolder(t), 'file')
    const work = fetchFile({urls: [url], path, expected: {}, transportFor: () => httpTransport})
    t.regex((await t.throwsAsync(work, {instanceOf: NetworkError})).code, /^E_DL_(?:HTML|XML|JSON)$/)
    t.false(existsSync(path))
  }
})

test('private addresses are known in every way they can be written', (t) => {
  const privateOnes = [
    ...[
      '127.0.0.1',
      '127.9.9.9',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
    ],
    ...[
      '0.0.0.0',
      '100.64.0.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '::1',
      '::',
      'fc00::1',
      'fd12::1',
    ],
    ...['fe80::1%eth0', 'ff02::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::a00:1'],
  ]
  for (const address of privateOnes) t.true(isPrivateAddress(address), address)
  const publicOnes = [
    '8.8.8.8',
    '172.32.0.1',
    '192.169.0.1',
    '2606:4700::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ]
  for (const address of publicOnes) t.false(isPrivateAddress(address), address)
})

/** A server that answers everything with one body. */
async function serve(t: ExecutionContext, body: Buffer): Promise<URL> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/octet-stream').end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file`)
}
