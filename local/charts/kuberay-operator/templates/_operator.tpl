{{- /*
"--feature-gates=A=true,B=false", or nothing. The empty string still becomes an argument, as in the official charts.
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
"true" where the operator reads a configuration file (from 1.5 on).
*/}}
{{- define "kuberay-operator.configured" -}}
{{- if and (semverCompare ">=1.5.0" .Chart.Version) .Values.configuration.enabled }}true{{ end }}
{{- end }}

{{- /*
Stops a release whose numbers the operator would not take.
*/}}
{{- define "kuberay-operator.check" }}
{{- $client := default dict .Values.kubeClient }}
{{- $sign := ternary "[+-]?" "" (semverCompare "<1.6.0" .Chart.Version) }}
{{- range list
  (list .Values "reconcileConcurrency" "^[1-9][0-9]*$" "a whole number above 0")
  (list $client "qps" (printf "^%s[0-9]+([.][0-9]+)?$" $sign) "a number")
  (list $client "burst" "^[0-9]+$" "a whole number")
}}
  {{- if hasKey (index . 0) (index . 1) }}
    {{- $value := index . 0 (index . 1) | toString }}
    {{- if not (regexMatch (index . 2) $value) }}
      {{- fail (printf "%s must be %s, not %q" (index . 1) (index . 3) $value) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- /*
What is set by flags: a list.
*/}}
{{- define "kuberay-operator.flags" }}
{{- $flags := list }}
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
{{- if semverCompare ">=1.4.0" .Chart.Version }}
  {{- if hasKey (default dict .Values.metrics) "enabled" }}
    {{- $flags = append $flags (printf "--enable-metrics=%t" .Values.metrics.enabled) }}
  {{- end }}
{{- end }}
{{- if semverCompare ">=1.5.0" .Chart.Version }}
  {{- if hasKey .Values "reconcileConcurrency" }}
    {{- $flags = append $flags (printf "--reconcile-concurrency=%v" .Values.reconcileConcurrency) }}
  {{- end }}
  {{- $client := default dict .Values.kubeClient }}
  {{- range list "qps" "burst" }}
    {{- if hasKey $client . }}
      {{- $flags = append $flags (printf "--%s=%v" . (index $client .)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toYaml $flags }}
{{- end }}

{{- /*
All arguments. From 1.6 on a configuration file takes the place of the flags, at 1.5 it comes on top of them.
*/}}
{{- define "kuberay-operator.args" }}
{{- $args := list }}
{{- $gates := list (include "kuberay-operator.featureGates" .) }}
{{- $configured := include "kuberay-operator.configured" . }}
{{- if $configured }}
  {{- $args = list "--config" "/etc/kuberay/config.yaml" }}
{{- end }}
{{- if semverCompare "<1.6.0" .Chart.Version }}
  {{- $args = concat $args $gates (include "kuberay-operator.flags" . | fromYamlArray) }}
{{- else if $configured }}
  {{- $args = concat $args $gates }}
{{- else }}
  {{- $args = concat $args (include "kuberay-operator.flags" . | fromYamlArray) $gates }}
{{- end }}
{{- toYaml $args }}
{{- end }}

{{- /*
The configuration file. At 1.5 it holds the environment of Ray containers and nothing else.
*/}}
{{- define "kuberay-operator.config" }}
{{- $config := dict "apiVersion" "config.ray.io/v1alpha1" "kind" "Configuration" }}
{{- $extras := list "defaultContainerEnvs" }}
{{- if semverCompare ">=1.6.0" .Chart.Version }}
  {{- $extras = list "headSidecarContainers" "workerSidecarContainers" "defaultContainerEnvs" }}
  {{- if hasKey .Values "leaderElectionEnabled" }}
    {{- $_ := set $config "enableLeaderElection" .Values.leaderElectionEnabled }}
  {{- end }}
  {{- if hasKey (default dict .Values.metrics) "enabled" }}
    {{- $_ := set $config "enableMetrics" .Values.metrics.enabled }}
  {{- end }}
  {{- range list "reconcileConcurrency" "useKubernetesProxy" }}
    {{- if hasKey $.Values . }}
      {{- $_ := set $config . (index $.Values .) }}
    {{- end }}
  {{- end }}
  {{- $client := default dict .Values.kubeClient }}
  {{- range list "qps" "burst" }}
    {{- if hasKey $client . }}
      {{- $_ := set $config . (index $client .) }}
    {{- end }}
  {{- end }}
  {{- with include "kuberay-operator.watched" . }}
    {{- $_ := set $config "watchNamespace" . }}
  {{- end }}
  {{- with include "kuberay-operator.logFile" . }}
    {{- $_ := set $config "logFile" . }}
  {{- end }}
  {{- with .Values.logging.stdoutEncoder }}
    {{- $_ := set $config "logStdoutEncoder" . }}
  {{- end }}
  {{- with .Values.logging.fileEncoder }}
    {{- $_ := set $config "logFileEncoder" . }}
  {{- end }}
  {{- with .Values.batchScheduler }}
    {{- if .enabled }}
      {{- $_ := set $config "enableBatchScheduler" true }}
    {{- end }}
    {{- with .name }}
      {{- $_ := set $config "batchScheduler" . }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $key := $extras }}
  {{- with index $.Values.configuration $key }}
    {{- $_ := set $config $key . }}
  {{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}
