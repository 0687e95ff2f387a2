{{- define "spot.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (default "spot" .Values.nameOverride) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (default "spot" .Values.nameOverride) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change, and by which pods are selected. Takes {root, component}. */}}
{{- define "spot.selector" -}}
app.kubernetes.io/name: spot
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "spot.labels" -}}
{{ include "spot.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "spot.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Names of the three Secrets. */}}
{{- define "spot.secret" -}}
{{ .Values.secrets.existing | default (include "spot.fullname" .) }}
{{- end -}}
{{- define "spot.masterSecret" -}}
{{ .Values.secrets.existingMasterKey | default (printf "%s-master-key" (include "spot.fullname" .)) }}
{{- end -}}
{{- define "spot.providersSecret" -}}
{{- if .Values.secrets.existingProviders -}}
{{ .Values.secrets.existingProviders }}
{{- else if .Values.secrets.providers -}}
{{ include "spot.fullname" . }}-providers
{{- end -}}
{{- end -}}

{{/* A value of `settings` as an environment variable. */}}
{{- define "spot.setting" -}}
{{- if kindIs "bool" . -}}
{{ ternary "on" "off" . }}
{{- else if kindIs "slice" . -}}
{{ join "," . }}
{{- else if and (kindIs "float64" .) (eq . (floor .)) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{/* A generated secret: the one that the cluster has, or a new one. Takes {root, secret, key}. */}}
{{- define "spot.generated" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- with dig "data" .key "" (default dict $there) -}}
{{ . }}
{{- else -}}
{{ randAlphaNum 64 | b64enc }}
{{- end -}}
{{- end -}}

{{- define "spot.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "spot.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Environment of a container. Takes {root, component}: providers' keys go to those that ask providers, the master key to
those that decrypt keys, the database to all but beat. */}}
{{- define "spot.environment" -}}
envFrom:
  - configMapRef: {name: {{ include "spot.fullname" .root }}}
{{- with include "spot.providersSecret" .root }}
{{- if has $.component (list "web" "worker" "stream") }}
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}
{{- if and (eq .component "migrate") .root.Values.administrator.existing }}
  - secretRef: {name: {{ .root.Values.administrator.existing }}}
{{- end }}
env:
  - {name: SPOT_SECRET_KEY_FILE, value: /secrets/secret-key}
  - {name: REDIS_URL_FILE, value: /secrets/redis-url}
{{- if ne .component "beat" }}
  - {name: SPOT_SECRET_KEYS_FILE, value: /secrets/secret-keys}
  - {name: DATABASE_URL_FILE, value: /secrets/database-url}
{{- end }}
{{- if eq .component "web" }}
  - {name: SPOT_METRICS_TOKEN_FILE, value: /secrets/metrics-token}
{{- end }}
volumeMounts:
  - {name: secrets, mountPath: /secrets, readOnly: true}
  - {name: state, mountPath: /state}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "spot.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "spot.secret" .root }}
          items:
            - {key: secret-key, path: secret-key}
            - {key: redis-url, path: redis-url}
{{- if ne .component "beat" }}
            - {key: database-url, path: database-url}
{{- end }}
{{- if eq .component "web" }}
            - {key: metrics-token, path: metrics-token}
{{- end }}
{{- if ne .component "beat" }}
      - secret:
          name: {{ include "spot.masterSecret" .root }}
          items: [{key: secret-keys, path: secret-keys}]
{{- end }}
- name: state
  emptyDir: {sizeLimit: 64Mi}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{/* Digests of what the environment is made of: pods are replaced when it changes. Generated secrets never do. */}}
{{- define "spot.checksum" -}}
{{ list .Values.settings .Values.ingress .Values.redis .Values.database .Values.secrets | toJson | sha256sum }}
{{- end -}}

{{/* The container of a component, without its probes. Takes {root, component, values}. */}}
{{- define "spot.container" -}}
name: {{ .component }}
image: {{ include "spot.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "spot.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{ include "spot.environment" . }}
{{- end -}}

{{/* A pod, from its security to its volumes, without containers. Takes {root, component, values}. */}}
{{- define "spot.pod" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false  # SPOT_PORT and the like would be taken for settings
shareProcessNamespace: true  # the pause container reaps what a killed process leaves
securityContext:
  {{- include "spot.podSecurity" . | nindent 2 }}
volumes:
  {{- include "spot.volumes" . | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if hasKey .values "topologySpreadConstraints" }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "spot.selector" . | nindent 8 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Waits until the database has the tables of this version, or newer ones. */}}
{{- define "spot.migrated" -}}
name: migrated
image: {{ include "spot.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [sh, -c, "until python manage.py migrate --check >/dev/null; do echo 'The database does not have the tables of this version yet'; sleep 3; done"]
securityContext:
  {{- include "spot.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .root.Values.migrate.resources | nindent 2 }}
{{ include "spot.environment" . }}
{{- end -}}
