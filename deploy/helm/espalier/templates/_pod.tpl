{{/* What every pod of the chart has in common: nothing of it may be more than it needs. */}}

{{- define "espalier.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "espalier.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/*
What a migration and a gateway read alike: a dictionary of values, and of databaseUrl where it is another one. A setting that
the chart has a value for is refused.
*/}}
{{- define "espalier.environment" -}}
{{- $owned := list "ESPALIER_PUBLIC_URL" "ESPALIER_ADMIN_URL" "ESPALIER_DATA_LISTEN" "ESPALIER_ADMIN_LISTEN" "ESPALIER_OPS_LISTEN" "ESPALIER_DATA_DIR" "ESPALIER_TLS" "ESPALIER_TLS_CERT_FILE" "ESPALIER_TLS_KEY_FILE" "ESPALIER_DRAIN_DELAY_SECONDS" "ESPALIER_MIGRATE" -}}
{{- range $name, $value := .values.settings }}
{{- if has $name $owned }}
{{- fail (printf "settings.%s: the chart has a value of its own for it, see values.yaml" $name) }}
{{- end }}
{{- if hasKey $.values.secretSettings $name }}
{{- fail (printf "settings.%s: it is in secretSettings too" $name) }}
{{- end }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $given := .values.secretSettings }}
{{- if has $name $owned }}
{{- fail (printf "secretSettings.%s: the chart has a value of its own for it, see values.yaml" $name) }}
{{- end }}
{{- $reference := $given }}
{{- if and (eq $name "DATABASE_URL") $.databaseUrl }}
{{- $reference = $.databaseUrl }}
{{- end }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $reference.secret }}
      key: {{ $reference.key }}
{{- end }}
{{- end -}}

{{- define "espalier.secretMounts" -}}
{{- range .Values.secretFiles }}
- { name: {{ printf "secret-%s" .name }}, mountPath: {{ printf "/etc/espalier/%s" .name }}, readOnly: true }
{{- end }}
{{- end -}}

{{- define "espalier.secretVolumes" -}}
{{- range .Values.secretFiles }}
- name: {{ printf "secret-%s" .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* Where pods may run. */}}
{{- define "espalier.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "espalier.gatewayPod" -}}
metadata:
  labels:
    {{- include "espalier.labels" . | nindent 4 }}
    app.kubernetes.io/component: gateway
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # The delay, 30 s for requests in flight, and 5 more.
  terminationGracePeriodSeconds: {{ add .Values.drainDelaySeconds 35 }}
  securityContext:
    {{- include "espalier.podSecurity" . | nindent 4 }}
  {{- include "espalier.placement" . | nindent 2 }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- $selector := include "espalier.selector" . }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- $selector | nindent 10 }}
          app.kubernetes.io/component: gateway
    {{- end }}
    {{- end }}
  containers:
    - name: gateway
      image: {{ include "espalier.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      securityContext:
        {{- include "espalier.containerSecurity" . | nindent 8 }}
      ports:
        - { name: data, containerPort: 8443 }
        - { name: admin, containerPort: 9443 }
        - { name: ops, containerPort: 9464 }
      env:
        - name: ESPALIER_PUBLIC_URL
          value: {{ required "publicUrl: the base URL that Microsoft and Jamf Pro are given is needed" .Values.publicUrl | quote }}
        {{- with .Values.adminUrl }}
        - name: ESPALIER_ADMIN_URL
          value: {{ . | quote }}
        {{- end }}
        - name: ESPALIER_DATA_LISTEN
          value: "0.0.0.0:8443"
        - name: ESPALIER_ADMIN_LISTEN
          value: "0.0.0.0:9443"
        - name: ESPALIER_OPS_LISTEN
          value: "0.0.0.0:9464"
        - name: ESPALIER_DATA_DIR
          value: /var/lib/espalier
        - name: ESPALIER_DRAIN_DELAY_SECONDS
          value: {{ .Values.drainDelaySeconds | quote }}
        - name: ESPALIER_MIGRATE
          value: {{ ternary "off" "auto" .Values.migrations.job | quote }}
        {{- if not (hasKey .Values.settings "ESPALIER_PROCESSES") }}
        # A pod is one process: the cluster starts more of them, on more than one node.
        - name: ESPALIER_PROCESSES
          value: "1"
        {{- end }}
        {{- if .Values.tls.enabled }}
        - name: ESPALIER_TLS_CERT_FILE
          value: /etc/espalier/tls/tls.crt
        - name: ESPALIER_TLS_KEY_FILE
          value: /etc/espalier/tls/tls.key
        {{- else }}
        - name: ESPALIER_TLS
          value: "off"
        {{- end }}
        {{- include "espalier.environment" (dict "values" .Values) | nindent 8 }}
      # A start waits for the database and for migrations, and is alive meanwhile.
      startupProbe:
        httpGet: { path: /health/live, port: ops }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /health/live, port: ops }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      # 503 from the first moment of a drain on.
      readinessProbe:
        httpGet: { path: /health/ready, port: ops }
        periodSeconds: 1
        timeoutSeconds: 2
        failureThreshold: 2
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - { name: state, mountPath: /var/lib/espalier }
        - { name: tmp, mountPath: /tmp }
        {{- if .Values.tls.enabled }}
        - { name: tls, mountPath: /etc/espalier/tls, readOnly: true }
        {{- end }}
        {{- include "espalier.secretMounts" . | nindent 8 }}
  volumes:
    {{- if not .Values.persistence.enabled }}
    - name: state
      emptyDir:
        sizeLimit: {{ .Values.persistence.size }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    {{- if .Values.tls.enabled }}
    - name: tls
      secret:
        secretName: {{ required "tls.secret: a Secret of the type kubernetes.io/tls is needed, or tls.enabled=false behind a balancer" .Values.tls.secret }}
        defaultMode: 0440
    {{- end }}
    {{- include "espalier.secretVolumes" . | nindent 4 }}
{{- end -}}
