import {
  create,
  createFileRegistry,
  type DescField,
  type DescMessage,
  fromBinary,
  toBinary,
} from '@bufbuild/protobuf'
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt'
import { descriptors } from '@shop/contracts/descriptors.ts'
import { counts } from './shop.ts'

/** A method of a gRPC service. */
export type Rpc = Readonly<{
  path: string
  isList: boolean
  /** Whether it writes. */
  changes: boolean
  streams: boolean
  /** The largest request that it allows, as sent. Different numbers give different requests, if fields allow. */
  requestOf: (variant: number) => Buffer
}>

/** Values of fields for which neither the type nor the name tells what is valid. */
const examples: Readonly<Record<string, (variant: number) => unknown>> = {
  'product.GetTopMostExpensiveProductsRequest.limit': (variant) => 100 - (variant % 100),
  name: () => 'Lamp',
  category: (variant) => (variant % 2 === 0 ? 'Books' : 'Long'),
  price: () => 1,
  version: () => 0,
  // Ordinary and long products.
  ids: (variant) => Array.from({ length: 100 }, (_, index) => counts.ordinary - 100 + variant + index),
}

/** Writes change products that no innocent client reads. */
const firstId = 1_000

const exampleOf = ({ parent, name, ...field }: DescField, variant: number): unknown => {
  const example = examples[`${parent.typeName}.${name}`] ?? examples[name]
  if (example !== undefined) return example(variant)
  if (/page_size|limit/.test(name)) return 1_000 - (variant % 500)
  if (field.fieldKind !== 'scalar') return undefined
  return /^(STRING|BYTES|BOOL)$/.test(scalarNames[field.scalar] ?? '') ? undefined : firstId + variant
}

/** The names of those scalar types that are no numbers. */
const scalarNames: Readonly<Record<number, string>> = { 8: 'BOOL', 9: 'STRING', 12: 'BYTES' }

const messageOf = (schema: DescMessage, variant: number) => {
  const values: Record<string, unknown> = {}
  for (const field of schema.fields) {
    // Of alternatives, the last one: in reflection, the list of all services.
    if (field.oneof !== undefined) values[field.oneof.localName] = { case: field.localName, value: '' }
    else values[field.localName] = exampleOf(field, variant)
  }
  return create(schema, values)
}

/** A message of gRPC: not compressed, and its length. */
const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const files: FileDescriptorProto[] = Object.values(descriptors).map((bytes) =>
  fromBinary(FileDescriptorProtoSchema, Buffer.from(bytes, 'base64')),
)
const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files }))

/** Every method of every service that reflection describes, health and reflection among them: one that is new is attacked, too. */
export const rpcs: readonly Rpc[] = [...registry].flatMap((type) =>
  type.kind === 'service'
    ? type.methods.map((method) => ({
        path: `/${type.typeName}/${method.name}`,
        isList: method.output.fields.some(
          ({ fieldKind, name }) => fieldKind === 'list' && name === 'products',
        ),
        changes: /^(Create|Update|Delete)/.test(method.name),
        streams: method.methodKind !== 'unary',
        requestOf: (variant: number) => framed(toBinary(method.input, messageOf(method.input, variant))),
      }))
    : [],
)
