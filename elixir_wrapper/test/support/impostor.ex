defmodule Linx.Netlink.Port.Test.Impostor do
  @moduledoc """
  Programs that meet a server like the port program does, and then do something else.

  They are in Python: a client of the rendezvous is needed that is no shell. What they say is a body, which
  may use `connection`, that of the rendezvous, `ours`, the near end of the pair, and

    * `hello(version)`, which says hello and hands over the far end of the pair;
    * `request()`, which waits for a request and returns its frame;
    * `frame(answer)`, which says something over the standard output;
    * `rights(descriptors)`, what is sent along with a message.
  """

  import ExUnit.Assertions

  alias Linx.Netlink.Port.Test.Fixture

  # The second argument is the rendezvous.
  @preamble """
  import array, os, socket, sys
  address = sys.argv[2].replace("@", "\\0", 1)
  ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
  def connect():
      connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
      connection.connect(address)
      return connection
  def rights(fds):
      return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
  def hello(version=1):
      connection.sendmsg([hellos[version]], rights([theirs.fileno()]))
  def request():
      length = int.from_bytes(sys.stdin.buffer.read(4), "big")
      return sys.stdin.buffer.read(length)
  def frame(answer):
      os.write(1, len(answer).to_bytes(4, "big") + answer)
  """

  @doc "One that connects to the rendezvous first."
  @spec script(String.t()) :: Path.t()
  def script(body), do: unconnected_script("connection = connect()\n" <> body)

  @doc "One that connects when it wants to, if it does."
  @spec unconnected_script(String.t()) :: Path.t()
  def unconnected_script(body) do
    python =
      System.find_executable("python3") || flunk("install python3, as `script/setup test` does")

    hellos = "hellos = {1: #{hello(1)}, 2: #{hello(2)}}\n"
    path = Fixture.script("")
    File.write!(path, "#!#{python}\n" <> @preamble <> hellos <> body)
    path
  end

  @doc "One that never connects, but has a child that says hello in its place."
  @spec with_strange_guest() :: Path.t()
  def with_strange_guest do
    unconnected_script("""
    if os.fork() == 0:
        connection = connect()
        hello()
    else:
        sys.stdin.read()
    """)
  end

  @doc "A term, as bytes in Python."
  @spec bytes(term()) :: String.t()
  def bytes(term) do
    list = term |> :erlang.term_to_binary() |> :binary.bin_to_list()
    "bytes(#{inspect(list, limit: :infinity, charlists: :as_lists)})"
  end

  defp hello(version) do
    bytes({:hello, %{protocol: version, version: "9", os_pid: 1, capabilities: []}})
  end
end
