import { deployments, ofKind } from './manifests.ts'

type Labels = Readonly<Record<string, string>>
type Requirement = Readonly<{ key: string; operator: string; values: string[] }>
type Selector = Readonly<{ matchLabels?: Labels; matchExpressions?: Requirement[] }>
type Peer = Readonly<{ podSelector?: Selector; namespaceSelector?: Selector; ipBlock?: object }>
type Port = Readonly<{ port: number | string; protocol?: string }>
type Rule = Readonly<{ from?: Peer[]; to?: Peer[]; ports?: Port[] }>

/** A pod, by its namespace and labels. An address outside the cluster has no namespace. */
export type End = Readonly<{ namespace?: string; labels?: Labels }>

/** The namespace of the manifests. */
const own = 'shop'

export const shopPod = (app: string): End => ({ namespace: own, labels: { app } })

const matches = (selector: Selector | undefined, labels: Labels): boolean => {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {}))
    if (labels[key] !== value) return false
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    if (operator !== 'In') throw new Error(`operator ${operator}`)
    if (!values.includes(labels[key] ?? '')) return false
  }
  return true
}

const isPeer = (end: End, { podSelector, namespaceSelector, ipBlock }: Peer): boolean => {
  if (ipBlock !== undefined) throw new Error('ipBlock')
  if (end.namespace === undefined) return false
  const inNamespace =
    namespaceSelector === undefined
      ? end.namespace === own
      : matches(namespaceSelector, { 'kubernetes.io/metadata.name': end.namespace })
  return inNamespace && matches(podSelector, end.labels ?? {})
}

/** The number of a port; a name is that of a port of the target's container. */
const numberOf = (port: number | string, target: End): number | undefined =>
  typeof port === 'number'
    ? port
    : deployments
        .filter(({ spec }) => target.namespace === own && matches(spec.selector, target.labels ?? {}))
        .flatMap(({ spec }) => spec.template.spec.containers[0].ports)
        .find(({ name }) => name === port)?.containerPort

type Connection = Readonly<{ from: End; to: End; port: number; protocol?: 'TCP' | 'UDP' }>

/** Whether the policies of one end allow the connection. Only ends in the namespace of the manifests have policies. */
const allowsAt = (direction: 'Ingress' | 'Egress', connection: Connection): boolean => {
  const { from, to, port, protocol = 'TCP' } = connection
  const [end, other] = direction === 'Ingress' ? [to, from] : [from, to]
  if (end.namespace !== own) return true
  const policies = ofKind('NetworkPolicy').filter(
    ({ spec }) => spec.policyTypes.includes(direction) && matches(spec.podSelector, end.labels ?? {}),
  )
  if (policies.length === 0) return true
  const rules = policies.flatMap<Rule>(({ spec }) => spec[direction.toLowerCase()] ?? [])
  return rules.some((rule) => {
    const peers = rule.from ?? rule.to
    return (
      (peers === undefined || peers.some((peer) => isPeer(other, peer))) &&
      (rule.ports === undefined ||
        rule.ports.some(
          (allowed) => (allowed.protocol ?? 'TCP') === protocol && numberOf(allowed.port, to) === port,
        ))
    )
  })
}

/** Whether the network policies of both ends allow the connection, by the rules of Kubernetes. */
export const isAllowed = (connection: Connection): boolean =>
  allowsAt('Egress', connection) && allowsAt('Ingress', connection)
