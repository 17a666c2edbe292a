-- wrk's script: GET of a random one of the paths in a file, with the caller's token; the sums as one line of JSON.
-- Arguments: file of paths, file of header lines.

local starts, rest = {}, nil

function init(args)
  for path in io.lines(args[1]) do
    starts[#starts + 1] = "GET " .. path .. " HTTP/1.1\r\n"
  end
  local file = io.open(args[2], "rb")
  rest = file:read("*a")
  file:close()
  math.randomseed(os.time())
end

function request()
  return starts[math.random(#starts)] .. rest
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format(
    '{"requests":%d,"microseconds":%d,"bytes":%d,"failed":%d,"refused":%d,"p50":%d,"p99":%d}',
    summary.requests, summary.duration, summary.bytes, failed, errors.status,
    latency:percentile(50), latency:percentile(99)
  ))
end
