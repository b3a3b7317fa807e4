import {lookup as systemLookup, type LookupAddress} from 'node:dns'
import {BlockList, isIP, isIPv6, type LookupFunction} from 'node:net'

/** The address that a name leads to is one of a private network or of this machine. */
export class PrivateAddressError extends Error {
  constructor() {
    super('it leads to a private address')
    this.name = 'PrivateAddressError'
  }
}

/** What a guarded connection found out. */
export type AddressGuard = {
  /** Whether connecting to a private address is an error. */
  readonly forbidsPrivate: boolean
  /** Set when an address was seen: whether it (or one of several) is private. */
  sawPrivate: boolean
}

/** Addresses of private networks, of this machine, and those that are no single machine's (RFC 6890). */
export function isPrivateAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '')
  if (!isIPv6(plain)) return privateAddresses().check(plain, 'ipv4')
  const embedded = embeddedIpv4(plain)
  return privateAddresses().check(plain, 'ipv6') || (embedded !== undefined && isPrivateAddress(embedded))
}

/**
 * A name lookup that refuses private addresses: the check is on the very addresses that are then connected to, so
 * that a name cannot answer twice in different ways.
 */
export function guardedLookup(guard: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    systemLookup(hostname, {...options, all: true}, (error, addresses) => {
      if (error !== null) {
        callback(error, '')
        return
      }
      const problem = examine(addresses, guard)
      const [first] = addresses
      if (problem !== undefined || first === undefined) {
        callback(problem ?? new Error('no address'), '')
        return
      }
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

/** Literal addresses are not looked up, so they are checked before connecting. */
export function checkLiteralHost(hostname: string, guard: AddressGuard): void {
  const address = hostname.replace(/^\[|\]$/g, '')
  if (isIP(address) === 0) return
  const problem = examine([{address, family: isIPv6(address) ? 6 : 4}], guard)
  if (problem !== undefined) throw problem
}

/** Notes whether an address is private, and gives the error where that is forbidden. */
export function examine(addresses: readonly LookupAddress[], guard: AddressGuard): Error | undefined {
  const sawPrivate = addresses.some(({address}) => isPrivateAddress(address))
  guard.sawPrivate ||= sawPrivate
  return sawPrivate && guard.forbidsPrivate ? new PrivateAddressError() : undefined
}

// ::ffff:10.0.0.1, ::10.0.0.1 and 64:ff9b::10.0.0.1 reach 10.0.0.1, in whichever way they are written.
function embeddedIpv4(address: string): string | undefined {
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const match = /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(groups)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  const [high, low] = [Number.parseInt(match[1], 16), Number.parseInt(match[2], 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

function privateAddresses(): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of privateIpv4) list.addSubnet(network, prefix, 'ipv4')
  for (const [network, prefix] of privateIpv6) list.addSubnet(network, prefix, 'ipv6')
  return list
}

const privateIpv4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

const privateIpv6: readonly (readonly [string, number])[] = [
  ['::', 128],
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
]
