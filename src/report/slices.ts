import {estimate, type Estimate} from './estimate.js'
import type {Judged} from './judged.js'
import {minOverlap} from './overlap.js'
import {groupsOf, wordCount, wordGroups} from './words.js'

/** Accuracy on some of the sentences, and the share of them that a right proposal exists for. */
export type Slice = Estimate & {readonly name: string; readonly ceiling: number}

/** Accuracy by what a sentence is like. Only `words` has sentences in several slices. */
export type Slices = {
  /** By the target's category, the most frequent first. */
  readonly category: readonly Slice[]
  /** By words between blanks. */
  readonly phraseLength: readonly Slice[]
  /** By the target's share of the image's area. */
  readonly boxSize: readonly Slice[]
  /** By other annotated objects of the target's category in the image. */
  readonly rivals: readonly Slice[]
  /** By kinds of words that occur. */
  readonly words: readonly Slice[]
}

const lengths = ['1 word', '2 words', '3 words', '4 words', '5 words', '6 to 8 words', '9 words or more']
const sizes = ['under 2 %', '2 to 5 %', '5 to 10 %', '10 to 20 %', '20 to 40 %', '40 % or more']
const sizeBounds = [0.02, 0.05, 0.1, 0.2, 0.4]
const rivalNames = ['0', '1', '2', '3', '4', '5 or more']

/** Cuts the sentences of a split in five ways. */
export function slice(judged: readonly Judged[], categories: ReadonlyMap<number, string>): Slices {
  const byCategory = cut(judged, ({categoryId}) => [categories.get(categoryId) ?? `category ${categoryId}`])
  return {
    category: byCategory.sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1)),
    phraseLength: inOrder(
      cut(judged, ({text}) => [lengthName(wordCount(text))]),
      lengths,
    ),
    boxSize: inOrder(
      cut(judged, ({areaShare}) => [sizeName(areaShare)]),
      sizes,
    ),
    rivals: inOrder(
      cut(judged, ({rivals}) => [rivalNames[Math.min(rivals, 5)] ?? '']),
      rivalNames,
    ),
    words: inOrder(
      cut(judged, ({text}) => groupsOf(text)),
      [...Object.keys(wordGroups), 'none of these'],
    ),
  }
}

function cut(judged: readonly Judged[], namesOf: (sentence: Judged) => readonly string[]): Slice[] {
  const parts = new Map<string, Judged[]>()
  for (const sentence of judged) {
    for (const name of namesOf(sentence)) {
      const part = parts.get(name)
      if (part === undefined) parts.set(name, [sentence])
      else part.push(sentence)
    }
  }
  return [...parts].map(([name, part]) => {
    const reachable = part.filter(({overlaps}) => Math.max(...overlaps) > minOverlap).length
    return {name, ...estimate(part, ({isRight}) => isRight), ceiling: reachable / part.length}
  })
}

function inOrder(slices: Slice[], names: readonly string[]): readonly Slice[] {
  return slices.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
}

function lengthName(count: number): string {
  if (count <= 5) return lengths[Math.max(count, 1) - 1] ?? ''
  return count <= 8 ? '6 to 8 words' : '9 words or more'
}

function sizeName(share: number): string {
  const place = sizeBounds.findIndex((bound) => share < bound)
  return sizes[place === -1 ? sizeBounds.length : place] ?? ''
}
