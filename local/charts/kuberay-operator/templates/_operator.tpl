{{- /*
"--feature-gates=A=true,B=false", or nothing. The empty string still becomes an argument, as in the official chart.
*/}}
{{- define "kuberay-operator.featureGates" -}}
{{- $gates := list }}
{{- range .Values.featureGates }}
  {{- $gates = append $gates (printf "%s=%t" .name .enabled) }}
{{- end }}
{{- if $gates }}--feature-gates={{ join "," $gates }}{{ end }}
{{- end }}

{{- /*
The namespaces the operator is told to watch, comma-separated; empty means all.
*/}}
{{- define "kuberay-operator.watched" -}}
{{- if .Values.watchNamespace }}
{{- join "," .Values.watchNamespace }}
{{- else if .Values.singleNamespaceInstall }}
{{- .Release.Namespace }}
{{- end }}
{{- end }}

{{- define "kuberay-operator.logFile" -}}
{{- if and .Values.logging.baseDir .Values.logging.fileName }}
{{- printf "%s/%s" .Values.logging.baseDir .Values.logging.fileName }}
{{- end }}
{{- end }}

{{- define "kuberay-operator.probe" -}}
httpGet: {path: /metrics, port: http}
initialDelaySeconds: {{ .probe.initialDelaySeconds }}
periodSeconds: {{ .probe.periodSeconds }}
failureThreshold: {{ .probe.failureThreshold }}
{{- end }}

{{- /*
What is set by flags: a list.
*/}}
{{- define "kuberay-operator.args" }}
{{- $flags := list (include "kuberay-operator.featureGates" .) }}
{{- with .Values.batchScheduler }}
  {{- if .enabled }}
    {{- $flags = append $flags "--enable-batch-scheduler" }}
  {{- end }}
  {{- with .name }}
    {{- $flags = append $flags (printf "--batch-scheduler=%s" .) }}
  {{- end }}
{{- end }}
{{- with include "kuberay-operator.watched" . }}
  {{- $flags = concat $flags (list "--watch-namespace" .) }}
{{- end }}
{{- with include "kuberay-operator.logFile" . }}
  {{- $flags = concat $flags (list "--log-file-path" .) }}
{{- end }}
{{- with .Values.logging.stdoutEncoder }}
  {{- $flags = concat $flags (list "--log-stdout-encoder" .) }}
{{- end }}
{{- with .Values.logging.fileEncoder }}
  {{- $flags = concat $flags (list "--log-file-encoder" .) }}
{{- end }}
{{- if hasKey .Values "useKubernetesProxy" }}
  {{- $flags = append $flags (printf "--use-kubernetes-proxy=%t" .Values.useKubernetesProxy) }}
{{- end }}
{{- if hasKey .Values "leaderElectionEnabled" }}
  {{- $flags = append $flags (printf "--enable-leader-election=%t" .Values.leaderElectionEnabled) }}
{{- end }}
{{- toYaml $flags }}
{{- end }}
