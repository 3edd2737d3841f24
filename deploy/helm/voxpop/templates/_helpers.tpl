{{/* Labels of a component; called with (dict "root" $ "component" NAME). */}}
{{- define "voxpop.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "voxpop.labels" -}}
{{ include "voxpop.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The name of a component's objects. */}}
{{- define "voxpop.name" -}}
{{ printf "%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") .component }}
{{- end }}

{{- define "voxpop.image" -}}
{{ .root.Values.image.repository }}:{{ .tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* What every pod has. */}}
{{- define "voxpop.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What every container has. */}}
{{- define "voxpop.guard" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "voxpop.env" -}}
- {name: VOXPOP_DATABASE_URL_FILE, value: /run/secrets/voxpop/database-url}
- {name: VOXPOP_LOG_URL_FILE, value: /run/secrets/voxpop/log-url}
{{- if .Values.alertsConfigMap }}
- {name: VOXPOP_ALERTS_FILE, value: /etc/voxpop/alerts.toml}
{{- end }}
{{- range $name, $value := .Values.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "voxpop.mounts" -}}
- {name: secret, mountPath: /run/secrets/voxpop, readOnly: true}
- {name: home, mountPath: /var/lib/voxpop}
- {name: scratch, mountPath: /tmp}
{{- if .Values.alertsConfigMap }}
- {name: alerts, mountPath: /etc/voxpop, readOnly: true}
{{- end }}
{{- end }}

{{/* All volumes but home; the items of the secret are those that a pod needs. */}}
{{- define "voxpop.volumes" -}}
- name: secret
  secret:
    secretName: {{ .Values.secret }}
    defaultMode: 0440
    items:
      - {key: database-url, path: database-url}
      - {key: log-url, path: log-url}
- name: scratch
  emptyDir: {sizeLimit: 1Gi}
{{- if .Values.alertsConfigMap }}
- name: alerts
  configMap: {name: {{ .Values.alertsConfigMap }}}
{{- end }}
{{- end }}

{{/* A consumer answers with its metrics; the model may take minutes to load. */}}
{{- define "voxpop.probes" -}}
startupProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 30
  timeoutSeconds: 10
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 15
  timeoutSeconds: 5
{{- end }}
