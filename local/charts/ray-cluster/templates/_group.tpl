{{- /*
What a head, worker or additional group has in common. Every template here takes a dict:
  root    the top-level context
  kind    head, worker or extra
  values  the group's values
*/}}

{{- /*
Copies .keys of .values as they are. An empty value is left out, unless .all is set. With .flat a value is indented like its key:
that is how the official chart writes volumeMounts. A map where a list belongs then spills into the level above.
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
The same for scalars, which the official chart prints unquoted: what YAML makes of them is up to the user.
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
initArgs is the old name of rayStartParams; both may be given.
*/}}
{{- define "ray-cluster.rayStartParams" }}
{{- if or .values.rayStartParams .values.initArgs }}
rayStartParams:
  {{- range $params := list .values.rayStartParams .values.initArgs }}
  {{- range $key, $value := $params }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
  {{- end }}
{{- else }}
rayStartParams: {}
{{- end }}
{{- end }}

{{- define "ray-cluster.podTemplate" }}
{{- $root := .root }}
{{- $values := .values }}
template:
  metadata:
    {{- include "ray-cluster.copy" (dict "values" $values "all" true "keys" (list "annotations")) | nindent 4 }}
    {{- /* Of a label that both sides set the later one counts: the chart's. */}}
    labels:
      {{- with $values.labels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- include "ray-cluster.labels" $root | nindent 6 }}
  spec:
    containers:
      - {{- include "ray-cluster.container" . | nindent 8 }}
      {{- with $values.sidecarContainers }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "ray-cluster.copy" (dict "values" $root.Values "all" true "keys" (list "imagePullSecrets")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "keys" (list "volumes" "initContainers" "dnsConfig")) | nindent 4 }}
    {{- include "ray-cluster.copy" (dict "values" $values "all" true "keys" (list "tolerations" "affinity" "nodeSelector")) | nindent 4 }}
    {{- include "ray-cluster.copyPlain" (dict "values" $values "keys" (list "serviceAccountName" "restartPolicy")) | nindent 4 }}
    {{- with $values.podSecurityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- include "ray-cluster.copy" (dict "values" $values "keys" (list "priorityClassName" "priority")) | nindent 4 }}
    {{- include "ray-cluster.spread" . | nindent 4 }}
{{- end }}

{{- define "ray-cluster.container" -}}
{{- $values := .values }}
{{- $image := default .root.Values.image $values.image }}
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
{{- include "ray-cluster.copy" (dict "values" $values "keys" (list "envFrom" "ports" "command" "args" "lifecycle")) }}
{{- include "ray-cluster.copy" (dict "values" $values "flat" true "keys" (list "volumeMounts")) }}
{{- include "ray-cluster.copy" (dict "values" $values "all" true "keys" (list "securityContext" "resources")) }}
{{- end }}

{{- /*
The default worker group's constraints are never written, and the head's only as a map with a true "enabled".
*/}}
{{- define "ray-cluster.spread" }}
{{- $written := eq .kind "extra" }}
{{- if eq .kind "head" }}
  {{- $written = .values.topologySpreadConstraints.enabled }}
{{- end }}
{{- if $written }}
{{- include "ray-cluster.copy" (dict "values" .values "keys" (list "topologySpreadConstraints")) }}
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
