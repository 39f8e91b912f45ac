defmodule Linx.Netlink.Port.Test.Services do
  @moduledoc """
  What listens in a network namespace, and those who talk to it. Each function returns what was said, and the
  numbers of the namespaces in which the sockets are (`SO_NETNS_COOKIE`).
  """

  import Bitwise

  alias Linx.Netlink.Port

  @cookie {1, 71}
  @loopback {127, 0, 0, 1}
  @patience 10_000
  @answer "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"
  @question "GET / HTTP/1.0\r\n\r\n"

  # linux/if_ether.h, in network byte order.
  @eth_p_all 0x0003
  @eth_p_all_network 0x0300
  @af_packet 17
  @echo_request 8
  @echo_reply 0

  @doc "A request over HTTP, and whether the server could be reached from outside."
  def http(netns, port) do
    listener = listen(netns, port)
    client = connect(netns, port)
    {:ok, server} = :gen_tcp.accept(listener, @patience)
    :ok = :gen_tcp.send(client, @question)
    {:ok, @question} = :gen_tcp.recv(server, byte_size(@question), @patience)
    :ok = :gen_tcp.send(server, @answer)
    {:ok, said} = :gen_tcp.recv(client, byte_size(@answer), @patience)
    outside? = reached?(listener, port)
    cookies = Enum.map([listener, client, server], &cookie/1)
    Enum.each([client, server, listener], &:gen_tcp.close/1)
    %{said: said, cookies: cookies, outside?: outside?}
  end

  @doc "The same, encrypted."
  def https(netns, port) do
    {:ok, _started} = Application.ensure_all_started(:ssl)
    %{server_config: server_config} = certificates = certificates()
    listener = listen(netns, port)
    caller = self()

    task =
      Task.async(fn ->
        {:ok, tcp} = :gen_tcp.accept(listener, @patience)
        {:ok, tls} = :ssl.handshake(tcp, server_config, @patience)
        {:ok, @question} = :ssl.recv(tls, byte_size(@question), @patience)
        :ok = :ssl.send(tls, @answer)
        receive do: ({^caller, :done} -> :ssl.close(tls))
      end)

    client = connect(netns, port)
    cookies = Enum.map([listener, client], &cookie/1)
    options = [verify: :verify_peer, server_name_indication: ~c"localhost"]
    {:ok, tls} = :ssl.connect(client, options ++ certificates.client_config, @patience)
    :ok = :ssl.send(tls, @question)
    {:ok, said} = :ssl.recv(tls, byte_size(@answer), @patience)
    outside? = reached?(listener, port)
    send(task.pid, {caller, :done})
    _ = Task.await(task)
    _ = :ssl.close(tls)
    :ok = :gen_tcp.close(listener)
    %{said: said, cookies: cookies, outside?: outside?}
  end

  @doc "A datagram, and one back, between sockets of `:gen_udp`."
  def udp(netns) do
    at = fn port -> [bind: %{family: :inet, addr: :loopback, port: port}] end
    [one, other] = for port <- [53, 0], do: udp_socket(netns, at.(port))
    :ok = :gen_udp.send(other, @loopback, 53, "there")
    {:ok, {_ip, port, "there"}} = :gen_udp.recv(one, 0, @patience)
    :ok = :gen_udp.send(one, @loopback, port, "back")
    {:ok, {@loopback, 53, said}} = :gen_udp.recv(other, 0, @patience)
    cookies = Enum.map([one, other], &cookie/1)
    {:ok, here} = :gen_udp.open(0)
    _ = :gen_udp.send(here, @loopback, 53, "from outside")
    outside? = :gen_udp.recv(one, 0, 0) != {:error, :timeout}
    :ok = :gen_udp.close(here)
    Enum.each([one, other], &:gen_udp.close/1)
    %{said: said, cookies: cookies, outside?: outside?}
  end

  @doc """
  A neighbour pings, by a raw socket; a packet socket sees it, and the neighbour gets the answer. Returns the
  frame that was seen.
  """
  def ping(from, to, address) do
    {:ok, packets} = Port.open(to, {:packet, :raw, @eth_p_all_network})
    {:ok, raw} = Port.open(from, {:inet, :raw, :icmp})
    number = :rand.uniform(0xFFFF)
    :ok = :socket.sendto(raw, echo(number), %{family: :inet, addr: address, port: 0})

    seen =
      await(
        packets,
        &match?(<<_ether::112, _ip::160, @echo_request, _::24, ^number::16, _::binary>>, &1)
      )

    answer = await(raw, &match?(<<_ip::160, @echo_reply, _::24, ^number::16, _::binary>>, &1))
    cookies = Enum.map([packets, raw], &cookie/1)
    Enum.each([packets, raw], &:socket.close/1)
    %{seen: seen, answer: answer, cookies: cookies}
  end

  @doc "A packet socket that is bound to one interface hears only that."
  def packet_address(netns, index) do
    bind = %{family: :packet, protocol: @eth_p_all, ifindex: index}
    {:ok, socket} = Port.open(netns, {:packet, :raw, 0}, bind: bind)

    {:ok, %{family: family, addr: <<_protocol::16, bound::native-32, _::binary>>}} =
      :socket.sockname(socket)

    :ok = :socket.close(socket)
    {family in [:packet, @af_packet], bound}
  end

  # Whether one who connects from the BEAM's own namespace gets there, and not to somebody else or nobody.
  defp reached?(listener, port) do
    outside = :gen_tcp.connect(@loopback, port, [])
    reached? = :gen_tcp.accept(listener, 0) != {:error, :timeout}
    _ = with {:ok, socket} <- outside, do: :gen_tcp.close(socket)
    reached?
  end

  defp await(socket, wanted?) do
    {:ok, bytes} = :socket.recv(socket, 0, [], @patience)
    if wanted?.(bytes), do: bytes, else: await(socket, wanted?)
  end

  defp echo(number) do
    body = <<number::16, 1::16, "are you there?">>

    sum =
      for <<(part::16 <- <<@echo_request, 0, 0::16, body::binary>>)>>,
        reduce: 0,
        do: (sum -> sum + part)

    sum = (sum &&& 0xFFFF) + (sum >>> 16)
    sum = (sum &&& 0xFFFF) + (sum >>> 16)
    <<@echo_request, 0, bnot(sum)::16, body::binary>>
  end

  defp listen(netns, port) do
    bind = %{family: :inet, addr: :any, port: port}
    {:ok, fd} = Port.open_descriptor(netns, {:inet, :stream, :tcp}, bind: bind, reuseaddr: true)
    {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, fd: fd])
    :ok = Port.close_descriptor(fd, listener)
    listener
  end

  defp connect(netns, port) do
    {:ok, fd} = Port.open_descriptor(netns, {:inet, :stream, :tcp})
    {:ok, client} = :gen_tcp.connect(@loopback, port, [:binary, active: false, fd: fd], @patience)
    :ok = Port.close_descriptor(fd, client)
    client
  end

  defp udp_socket(netns, options) do
    {:ok, fd} = Port.open_descriptor(netns, {:inet, :dgram, :udp}, options)
    {:ok, socket} = :gen_udp.open(0, [:binary, active: false, fd: fd])
    :ok = Port.close_descriptor(fd, socket)
    socket
  end

  defp cookie(socket) when is_port(socket) do
    {level, number} = @cookie

    {:ok, [{:raw, _level, _number, <<cookie::native-64>>}]} =
      :inet.getopts(socket, [{:raw, level, number, 8}])

    cookie
  end

  defp cookie(socket) do
    {:ok, <<cookie::native-64>>} = :socket.getopt_native(socket, @cookie, 8)
    cookie
  end

  defp certificates do
    # subjectAltName, as a name.
    name = {:Extension, {2, 5, 29, 17}, false, [dNSName: ~c"localhost"]}
    # The defaults are too weak, or too new, for TLS 1.3.
    strong = [digest: :sha256, key: {:namedCurve, :secp256r1}]
    chain = %{root: strong, intermediates: [], peer: [extensions: [name]] ++ strong}
    :public_key.pkix_test_data(%{server_chain: chain, client_chain: %{chain | peer: strong}})
  end
end
