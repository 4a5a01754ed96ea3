{{- /*
What a head, worker or additional group has in common. Every template here takes a dict:
  root    the top-level context
  kind    head, worker or extra
  values  the group's values
*/}}

{{- /*
Copies .keys of .values as they are. An empty value is left out, unless .all is set. With .flat a value is indented like its key:
that is how the official charts, most of all from 1.4 on, write lists. A map where a list belongs then spills into the level above.
*/}}
{{- define "ray-cluster.copy" }}
{{- $group := . }}
{{- range $key := .keys }}
{{- $value := index $group.values $key }}
{{- if or $value $group.all }}
{{ $key }}:
  {{- toYaml $value | nindent (ternary 0 2 (default false $group.flat)) }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
The same for scalars, which the official charts print unquoted: what YAML makes of them is up to the user.
*/}}
{{- define "ray-cluster.copyPlain" }}
{{- $group := . }}
{{- range $key := .keys }}
{{- with index $group.values $key }}
{{ $key }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
initArgs is the old name of rayStartParams; both may be given. Charts 1.3 and 1.4 write an empty map, later ones nothing.
*/}}
{{- define "ray-cluster.rayStartParams" }}
{{- if or .values.rayStartParams .values.initArgs }}
rayStartParams:
  {{- range $params := list .values.rayStartParams .values.initArgs }}
  {{- range $key, $value := $params }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
  {{- end }}
{{- else if semverCompare "<1.5.0" .root.Chart.Version }}
rayStartParams: {}
{{- end }}
{{- end }}

{{- define "ray-cluster.podTemplate" }}
{{- $root := .root }}
{{- $values := .values }}
{{- /* Chart 1.3 writes many keys even where their value is empty. */}}
{{- $first := semverCompare "<1.4.0" $root.Chart.Version }}
template:
  metadata:
    {{- include "ray-cluster.copy" (dict "values" $values "all" $first "keys" (list "annotations")) | nindent 4 }}
    {{- /* Of a label that both sides set the later one counts: the chart's at 1.3, the user's from 1.4 on. */}}
    labels:
      {{- if and $first $values.labels }}
      {{- toYaml $values.labels | nindent 6 }}
      {{- end }}
      {{- include "ray-cluster.labels" $root | nindent 6 }}
      {{- if and (not $first) $values.labels }}
      {{- toYaml $values.labels | nindent 6 }}
      {{- end }}
  spec:
    containers:
      - {{- include "ray-cluster.container" . | nindent 8 }}
      {{- with $values.sidecarContainers }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- $flat := and (not $first) (ne .kind "head") }}
    {{- include "ray-cluster.copy" (dict "values" $root.Values "all" $first "flat" $flat "keys" (list "imagePullSecrets")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "flat" $flat "keys" (list "volumes")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "all" $first "flat" $flat "keys" (list "tolerations")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "all" $first "keys" (list "affinity" "nodeSelector")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "flat" (not $first) "keys" (list "initContainers")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "keys" (list "dnsConfig")) | nindent 4 }}
    {{- include "ray-cluster.copyPlain" (dict "values" $values "keys" (list "serviceAccountName" "restartPolicy")) | nindent 4 }}
    {{- with $values.podSecurityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- $copy := ternary "ray-cluster.copy" "ray-cluster.copyPlain" $first }}
    {{- include $copy (dict "values" $values "keys" (list "priorityClassName" "priority")) | nindent 4 }}
    {{- if semverCompare ">=1.6.0" $root.Chart.Version }}
    {{- include "ray-cluster.copyPlain" (dict "values" $values "keys" (list "runtimeClassName")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "keys" (list "resourceClaims")) | nindent 4 }}
    {{- end }}
    {{- include "ray-cluster.spread" . | nindent 4 }}
{{- end }}

{{- define "ray-cluster.container" -}}
{{- $values := .values }}
{{- $image := default .root.Values.image $values.image }}
{{- $first := semverCompare "<1.4.0" .root.Chart.Version }}
name: {{ ternary "ray-head" "ray-worker" (eq .kind "head") }}
{{- /* A group's image stands in for the shared one whole: a part that is left out is not made up for. */}}
image: {{ $image.repository }}:{{ $image.tag }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- /* Only an additional group may do without containerEnv. */}}
{{- $env := $values.containerEnv }}
{{- if eq .kind "extra" }}
  {{- $env = default list $env }}
{{- end }}
{{- with concat .root.Values.common.containerEnv $env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "ray-cluster.copy" (dict "values" $values "flat" (not $first) "keys" (list "envFrom" "ports" "command" "args")) }}
{{- include "ray-cluster.copy" (dict "values" $values "flat" true "keys" (list "volumeMounts")) }}
{{- include "ray-cluster.copy" (dict "values" $values "keys" (list "lifecycle")) }}
{{- include "ray-cluster.copy" (dict "values" $values "all" $first "keys" (list "securityContext")) }}
{{- if and (not $values.resources) (eq .kind "extra") (semverCompare ">=1.6.0" .root.Chart.Version) }}
resources:
  limits: {cpu: "1", memory: 1Gi}
  requests: {cpu: "1", memory: 1Gi}
{{- else }}
{{- include "ray-cluster.copy" (dict "values" $values "all" $first "keys" (list "resources")) }}
{{- end }}
{{- end }}

{{- /*
Chart 1.3 never writes the default worker group's constraints, and the head's only as a map with a true "enabled".
*/}}
{{- define "ray-cluster.spread" }}
{{- $first := semverCompare "<1.4.0" .root.Chart.Version }}
{{- $written := true }}
{{- if $first }}
  {{- if eq .kind "head" }}
    {{- $written = .values.topologySpreadConstraints.enabled }}
  {{- else }}
    {{- $written = eq .kind "extra" }}
  {{- end }}
{{- end }}
{{- if $written }}
{{- include "ray-cluster.copy" (dict "values" .values "flat" (not $first) "keys" (list "topologySpreadConstraints")) }}
{{- end }}
{{- end }}

{{- /*
"true" for a group that is switched off: at 1.3 by the boolean true alone (a string is an error), later by anything that is not empty.
*/}}
{{- define "ray-cluster.disabled" }}
{{- if semverCompare "<1.4.0" .root.Chart.Version }}
  {{- if eq .disabled true }}true{{ end }}
{{- else if .disabled -}}
true
{{- end }}
{{- end }}

{{- define "ray-cluster.workerGroup" -}}
groupName: {{ .name }}
replicas: {{ .values.replicas }}
minReplicas: {{ .values.minReplicas | default 0 }}
maxReplicas: {{ .values.maxReplicas | default 2147483647 }}
numOfHosts: {{ .values.numOfHosts | default 1 }}
{{- include "ray-cluster.rayStartParams" . }}
{{- include "ray-cluster.podTemplate" . }}
{{- end }}
