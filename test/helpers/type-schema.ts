import ts from 'typescript'

/** A schema as it is written: draft 2020-12. */
export type WrittenSchema = Readonly<Record<string, unknown>>

/** Says what may stand where a value of a type stood, once it has gone through JSON.stringify. */
export class TypeReader {
  readonly #checker: ts.TypeChecker
  /** The types that the one being read is a part of. */
  readonly #around: ts.Type[] = []
  /** Types that hold themselves; they are any JSON here. */
  readonly #endless = new Set<ts.Type>()

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker
  }

  schemaOf(type: ts.Type): WrittenSchema {
    if (this.#around.includes(type)) this.#endless.add(type)
    if (this.#endless.has(type)) return {}
    this.#around.push(type)
    const schema = this.#read(type)
    this.#around.pop()
    return this.#endless.has(type) ? {} : schema
  }

  #read(type: ts.Type): WrittenSchema {
    const {flags} = type
    if (type.isUnion()) return this.#union(type)
    if (type.isStringLiteral() || type.isNumberLiteral()) return {const: type.value}
    if (flags & ts.TypeFlags.StringLike) return {type: 'string'}
    if (flags & ts.TypeFlags.Number) return {type: 'number'}
    if (flags & ts.TypeFlags.BooleanLiteral) return {const: this.#checker.typeToString(type) === 'true'}
    if (flags & ts.TypeFlags.Null) return {type: 'null'}
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {}
    if (this.#checker.isTupleType(type)) return this.#tuple(type)
    if (this.#checker.isArrayType(type)) return {type: 'array', items: this.#arguments(type)[0] ?? {}}
    if (flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return this.#object(type)
    throw new Error(`A result holds ${this.#checker.typeToString(type)}, which is no JSON.`)
  }

  /** Its literals become one enum, its plain types one list; sorted, since TypeScript's own order is by chance. */
  #union(union: ts.UnionType): WrittenSchema {
    const schemas = union.types
      .filter(({flags}) => !(flags & ts.TypeFlags.Undefined))
      .map((type) => this.schemaOf(type))
    const literals = schemas.flatMap((schema) => ('const' in schema ? [schema['const']] : []))
    const isBoolean = literals.includes(true) && literals.includes(false)
    const values = literals.filter((value) => !isBoolean || typeof value !== 'boolean').sort()
    const options = [
      ...(values.length > 0 ? [values.length > 1 ? {enum: values} : {const: values[0]}] : []),
      ...(isBoolean ? [{type: 'boolean'}] : []),
      ...schemas.filter((schema) => !('const' in schema)),
    ].sort(byText)
    const [only = {}, ...more] = options
    if (more.length === 0) return only
    if (options.some((option) => Object.keys(option).length === 0)) return {}
    const types = options.flatMap((option) => ('type' in option ? [option['type']] : []))
    const arePlain =
      types.length === options.length && options.every((option) => Object.keys(option).length === 1)
    return arePlain ? {type: types} : {anyOf: options}
  }

  #tuple(type: ts.Type): WrittenSchema {
    const items = this.#arguments(type)
    return {type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length}
  }

  /** Further properties are allowed, so that what a later version adds breaks nobody. */
  #object(type: ts.Type): WrittenSchema {
    const properties: Record<string, WrittenSchema> = {}
    const required: string[] = []
    for (const property of this.#checker
      .getPropertiesOfType(type)
      .sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const ofProperty = this.#checker.getTypeOfSymbol(property)
      if (ofProperty.flags & ts.TypeFlags.Undefined) continue // JSON.stringify leaves it out.
      const description = this.#comment(property)
      properties[property.name] = {...(description !== '' && {description}), ...this.schemaOf(ofProperty)}
      if (!isOptional(property, ofProperty)) required.push(property.name)
    }
    const others = this.#checker.getIndexInfoOfType(type, ts.IndexKind.String)
    return {
      type: 'object',
      ...(Object.keys(properties).length > 0 && {properties}),
      ...(required.length > 0 && {required}),
      ...(others !== undefined && {additionalProperties: this.schemaOf(others.type)}),
    }
  }

  #arguments(type: ts.Type): WrittenSchema[] {
    return this.#checker.getTypeArguments(type as ts.TypeReference).map((argument) => this.schemaOf(argument))
  }

  #comment(property: ts.Symbol): string {
    const comment = ts.displayPartsToString(property.getDocumentationComment(this.#checker))
    return comment.replaceAll(/\{@link (\S+?)\}/g, '$1').replaceAll(/\s+/g, ' ')
  }
}

function isOptional(property: ts.Symbol, type: ts.Type): boolean {
  const mayBeUndefined = type.isUnion() && type.types.some(({flags}) => flags & ts.TypeFlags.Undefined)
  return mayBeUndefined || (property.flags & ts.SymbolFlags.Optional) !== 0
}

function byText(one: WrittenSchema, other: WrittenSchema): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1
}
