import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Kafka Streams: page loads counted, and their durations summed, by page in windows of 10 s, with the DSL as its developer guide
 * has it: one thread, RocksDB stores with changelogs, and caching as by default. The grace is long enough for nothing to be late
 * after a kill. The variant is "(guarantee):(key of the topic)"; a topic keyed by session is grouped by page through a
 * repartition topic. Commits every second (30 s is the default), under exactly_once_v2 every 100 ms (its default).
 */
public final class PageLoads {
    private static final ObjectMapper JSON = new ObjectMapper();

    @JsonIgnoreProperties(ignoreUnknown = true)
    public record PageLoad(String page, double duration_ms) {}

    public record Views(long count, double sum) {
        Views plus(PageLoad load) {
            return new Views(count + 1, sum + load.duration_ms());
        }
    }

    public static void main(String[] arguments) throws IOException {
        JsonNode job = JSON.readTree(System.getenv("JOB"));
        String group = job.get("group").asText();
        String[] variant = job.get("variant").asText().split(":");
        Path report = Path.of(job.get("directory").asText(), "measured.json");
        Meter meter = new Meter(job.get("events").asLong(), job.get("skipped").asLong(), report);

        StreamsBuilder builder = new StreamsBuilder();
        Serde<PageLoad> loads = json(PageLoad.class);
        KStream<String, PageLoad> stream = builder.stream(job.get("topic").asText(), Consumed.with(Serdes.String(), loads));
        Grouped<String, PageLoad> grouped = Grouped.with(Serdes.String(), loads);
        (variant[1].equals("page") ? stream.groupByKey(grouped) : stream.groupBy((session, load) -> load.page(), grouped))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofMinutes(10)))
            .aggregate(() -> new Views(0, 0), (page, load, views) -> {
                meter.count();
                return views.plus(load);
            }, Materialized.with(Serdes.String(), json(Views.class)))
            .toStream()
            .map((window, views) -> KeyValue.pair('"' + window.key() + '"', told(window.window().start(), views.count())))
            .to(group + "-counts", Produced.with(Serdes.String(), Serdes.String()));

        KafkaStreams streams = new KafkaStreams(builder.build(), settings(job, variant[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
    }

    private static String told(long start, long count) {
        return "{\"start\":" + start + ",\"value\":" + count + "}";
    }

    private static Properties settings(JsonNode job, String guarantee) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, job.get("group").asText());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.get("bootstrap").asText());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, job.get("directory").asText());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, guarantee.equals(StreamsConfig.AT_LEAST_ONCE) ? 1000 : 100);
        settings.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, (int) (job.get("session_timeout_seconds").asDouble() * 1000));
        settings.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 2000);
        return settings;
    }

    private static <T> Serde<T> json(Class<T> type) {
        return Serdes.serdeFrom(
            (topic, value) -> checked(() -> JSON.writeValueAsBytes(value)),
            (topic, bytes) -> bytes == null ? null : checked(() -> JSON.readValue(bytes, type)));
    }

    private interface Reading<T> {
        T read() throws IOException;
    }

    private static <T> T checked(Reading<T> reading) {
        try {
            return reading.read();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** As in job.py. On Linux nanoTime is the clock that all processes of a machine share. */
    private static final class Meter {
        private final OperatingSystemMXBean process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        private final long events;
        private final long skipped;
        private final Path report;
        private long seen;
        private long began;
        private long cpu;

        Meter(long events, long skipped, Path report) {
            this.events = events;
            this.skipped = skipped;
            this.report = report;
        }

        void count() {
            seen++;
            if (seen == skipped) {
                began = System.nanoTime();
                cpu = process.getProcessCpuTime();
            } else if (seen == events) {
                double ended = System.nanoTime() / 1e9;
                double used = (process.getProcessCpuTime() - cpu) / 1e9;
                checked(() -> {
                    Path part = report.resolveSibling("measured.part");
                    Files.writeString(part, "{\"events\":" + (events - skipped) + ",\"began\":" + began / 1e9
                        + ",\"ended\":" + ended + ",\"cpu_seconds\":" + used + "}");
                    return Files.move(part, report, StandardCopyOption.ATOMIC_MOVE);
                });
            }
        }
    }
}
