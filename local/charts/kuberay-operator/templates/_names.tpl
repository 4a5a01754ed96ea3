{{- define "kuberay-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "kuberay-operator.fullname" -}}
{{- $name := .Values.fullnameOverride }}
{{- if not $name }}
  {{- $name = default .Chart.Name .Values.nameOverride }}
  {{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- end }}
{{- $name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "kuberay-operator.selector" -}}
app.kubernetes.io/name: {{ include "kuberay-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kuberay-operator.labels" -}}
{{ include "kuberay-operator.selector" . }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "kuberay-operator.metadata" }}
labels:
  {{- include "kuberay-operator.labels" . | nindent 2 }}
{{- end }}

{{- define "kuberay-operator.ownServiceAccount" -}}
{{- default (include "kuberay-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- /*
The service account others refer to: serviceAccount.name as it is, even where it is empty.
*/}}
{{- define "kuberay-operator.serviceAccount" -}}
{{- .Values.serviceAccount.name }}
{{- end }}
