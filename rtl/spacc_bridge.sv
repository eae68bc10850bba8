/// From frames of bytes to a card: AXI4-Lite registers, board memory, reset. The other end
/// is host/card/uart.c.
///
/// The host asks, the board answers; nobody speaks unasked. Numbers are little endian but
/// the CRC, whose high byte goes first: CRC-16, polynomial 0x1021, from 0xffff, over
/// everything between the first byte and itself.
///
///   request   A5 | tag | command | address 4 | length 2 | payload | CRC 2
///   answer    5A | tag | status              | length 2 | payload | CRC 2
///
///   command      address   length    payload sent     payload of an OK answer
///   0 IDENTIFY   0         0                          16 bytes: protocol version 2, longest
///                                                     payload 2, memory base 4, memory bytes
///                                                     4, clock in Hz 4
///   1 POLL       0         0                          4: bit 31 interrupt, 30:0 clocks counted
///   2 REG_READ   offset    4                          4: the register
///   3 REG_WRITE  offset    4         4: the value     none
///   4 MEM_READ   address   0..       none             length bytes
///   5 MEM_WRITE  address   0..       length bytes     none
///   6 RESET      0         0                          none; the card and the memory's bus
///                                                     side have been reset, memory stays
///
/// Status: 0 OK; 1 NAK, the request was damaged (its tag then says nothing) and nothing was
/// done; 2 BUS, the card answered a register access with an error; 3 TIMEOUT, it did not
/// answer (until a RESET no register access will); 4 RANGE, outside of the memory, or longer
/// than the longest payload; 5 COMMAND, unknown, or the length is not its. No payload then.
///
/// A damaged request (wrong CRC, something other than A5 first, a byte lost and so a gap
/// of GapClocks in the middle) is answered after GapClocks of silence, so the host may
/// repeat it at once. A request with the tag of the one before is a repetition: POLL,
/// REG_READ, REG_WRITE and RESET are not done again, the old answer is sent again; so each
/// is done once although registers change by being read. The others do no harm twice.
/// The host therefore counts the tag up with each new request and begins with IDENTIFY,
/// which starts over whatever the tag was. Bytes that come during work or answer are lost.
module spacc_bridge #(
  parameter int unsigned ClockHz      = 12000000,
  parameter int unsigned GapClocks    = 240000,        // silence that ends a request: 20 ms
  parameter int unsigned LiteClocks   = 4096,          // longest wait for the card or the memory
  parameter int unsigned PayloadBytes = 1024,          // longest payload, a power of two, 64 or more
  parameter int unsigned MemoryBytes  = 65536,         // a power of two
  parameter logic [31:0] MemoryBase   = 32'h8000_0000, // a multiple of MemoryBytes
  localparam int unsigned MemoryWidth = $clog2(MemoryBytes)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,         // synchronous, active low
  // serial port
  input  logic                   rx_valid_i,
  input  logic [7:0]             rx_data_i,
  input  logic                   rx_busy_i,
  output logic                   tx_valid_o,
  input  logic                   tx_ready_i,
  output logic [7:0]             tx_data_o,
  // card
  output logic                   card_rst_no,
  input  logic                   interrupt_i,
  output logic                   m_awvalid_o,
  input  logic                   m_awready_i,
  output logic [11:0]            m_awaddr_o,
  output logic                   m_wvalid_o,
  input  logic                   m_wready_i,
  output logic [31:0]            m_wdata_o,
  output logic [3:0]             m_wstrb_o,
  input  logic                   m_bvalid_i,
  output logic                   m_bready_o,
  input  logic [1:0]             m_bresp_i,
  output logic                   m_arvalid_o,
  input  logic                   m_arready_i,
  output logic [11:0]            m_araddr_o,
  input  logic                   m_rvalid_i,
  output logic                   m_rready_o,
  input  logic [31:0]            m_rdata_i,
  input  logic [1:0]             m_rresp_i,
  // board memory
  output logic                   port_valid_o,
  input  logic                   port_ready_i,
  output logic                   port_write_o,
  output logic [MemoryWidth-1:0] port_address_o,
  output logic [7:0]             port_data_o,
  input  logic                   port_valid_i,
  input  logic [7:0]             port_data_i
);

  localparam logic [15:0] ProtocolVersion = 16'd1;
  localparam logic [7:0]  StartRequest    = 8'ha5;
  localparam logic [7:0]  StartAnswer     = 8'h5a;
  localparam logic [3:0]  ResetClocks     = 4'd15;

  localparam logic [7:0] Identify = 8'd0, Poll = 8'd1, RegRead = 8'd2, RegWrite = 8'd3,
                         MemRead = 8'd4, MemWrite = 8'd5, CardReset = 8'd6;
  localparam logic [2:0] StatusOk = 3'd0, StatusNak = 3'd1, StatusBus = 3'd2,
                         StatusTimeout = 3'd3, StatusRange = 3'd4, StatusCommand = 3'd5;

  localparam int unsigned IndexWidth = $clog2(PayloadBytes);
  localparam int unsigned WaitWidth  = $clog2(GapClocks > LiteClocks ? GapClocks : LiteClocks);

  typedef enum logic [3:0] {
    StHunt,    // for the first byte of a request
    StHeader,
    StPayload,
    StCrc,
    StDamaged, // until the line is silent
    StStart,   // a request without damage
    StLite,    // register access under way
    StFetch,   // memory to buffer
    StFetched, // a byte of it is under way
    StDrain,   // buffer to memory
    StReset,
    StHead,    // of the answer
    StAnswer,  // its payload
    StSum      // its CRC
  } state_e;

  state_e                state_q;
  logic [3:0]            count_q;    // bytes of the header, the CRC; clocks of a reset
  logic [15:0]           index_q;    // bytes of the payload
  logic [15:0]           crc_q;
  logic [WaitWidth-1:0]  wait_q;     // clocks without progress
  logic                  wait_over;
  logic [63:0]           header_q;   // length, address, command, tag
  logic [7:0]            tag, command;
  logic [31:0]           address;
  logic [15:0]           length;
  logic [31:0]           word_q;     // last four payload bytes
  logic [31:0]           answer_q;   // of a register, a poll
  logic [2:0]            status_q;
  logic [15:0]           answer_length;
  logic                  known_q;    // last_tag_q is that of a request
  logic [7:0]            last_tag_q;
  logic [2:0]            last_status_q;
  logic                  single;     // of the commands that are done once
  logic                  outside;
  logic [30:0]           clocks_q;

  assign {length, address, command, tag} = header_q;
  assign single  = command == Poll || command == RegRead || command == RegWrite || command == CardReset;

  // Past the end of the memory, or longer than the buffer.
  logic [32:0] end_offset;
  assign end_offset = {1'b0, address - MemoryBase} + {17'd0, length};
  assign outside    = address < MemoryBase || end_offset > 33'(MemoryBytes) || length > 16'(PayloadBytes);

  function automatic logic [15:0] crc_next(input logic [15:0] crc, input logic [7:0] data);
    crc_next = crc ^ {data, 8'd0};
    for (int unsigned i = 0; i < 8; i++)
      crc_next = crc_next[15] ? {crc_next[14:0], 1'b0} ^ 16'h1021 : {crc_next[14:0], 1'b0};
  endfunction

  // Payload buffer.
  logic [7:0]            buffer [0:PayloadBytes-1];
  logic [7:0]            buffer_q, buffer_in;
  logic [IndexWidth-1:0] buffer_read;
  logic                  buffer_write, stepped;

  assign buffer_write = (state_q == StPayload && rx_valid_i) || (state_q == StFetched && port_valid_i);
  assign buffer_in    = state_q == StPayload ? rx_data_i : port_data_i;
  assign buffer_read  = index_q[IndexWidth-1:0] + IndexWidth'(stepped);

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    buffer_q <= buffer[buffer_read];
    if (buffer_write) buffer[index_q[IndexWidth-1:0]] = buffer_in;
  end
  /* verilator lint_on BLKSEQ */

  // Memory port: the byte of the buffer is there a clock after its index, so the drain
  // begins a clock late (primed_q).
  logic primed_q;
  assign port_valid_o   = state_q == StFetch || (state_q == StDrain && primed_q && index_q != length);
  assign port_write_o   = state_q == StDrain;
  assign port_address_o = MemoryWidth'(address) + MemoryWidth'(index_q);
  assign port_data_o    = buffer_q;

  // AXI4-Lite: one access. A valid that was not answered stays until the reset.
  logic lite_busy_q, lite_done;
  assign m_awaddr_o = address[11:0];
  assign m_araddr_o = address[11:0];
  assign m_wdata_o  = word_q;
  assign m_wstrb_o  = 4'hf;
  assign m_bready_o = lite_busy_q;
  assign m_rready_o = lite_busy_q;
  assign lite_done  = m_bvalid_i || m_rvalid_i;

  // Answer: one byte at a time, offered until taken.
  logic [127:0] identity;
  logic [31:0]  clock_hz, memory_bytes;
  logic [15:0]  payload_bytes;
  logic [7:0]   head_byte, identity_byte, payload_byte;
  logic         taken;

  assign clock_hz      = ClockHz;
  assign memory_bytes  = MemoryBytes;
  assign payload_bytes = 16'(PayloadBytes);
  assign identity      = {clock_hz, memory_bytes, MemoryBase, payload_bytes, ProtocolVersion};

  assign taken         = tx_valid_o && tx_ready_i;
  assign stepped       = (state_q == StAnswer && taken) || (state_q == StDrain && port_valid_o && port_ready_i);
  assign identity_byte = identity[8 * index_q[3:0] +: 8];
  assign payload_byte  = command == MemRead ? buffer_q : command == Identify ? identity_byte
                                            : answer_q[8 * index_q[1:0] +: 8];

  always_comb begin
    if (status_q != StatusOk) answer_length = 16'd0;
    else case (command)
      Identify:      answer_length = 16'd16;
      Poll, RegRead: answer_length = 16'd4;
      MemRead:       answer_length = length;
      default:       answer_length = 16'd0;
    endcase
  end

  always_comb begin
    case (count_q)
      4'd0:    head_byte = StartAnswer;
      4'd1:    head_byte = tag;
      4'd2:    head_byte = {5'd0, status_q};
      4'd3:    head_byte = answer_length[7:0];
      default: head_byte = answer_length[15:8];
    endcase
  end

  assign tx_valid_o = state_q == StHead || state_q == StAnswer || state_q == StSum;
  assign tx_data_o  = state_q == StHead   ? head_byte
                    : state_q == StAnswer ? payload_byte
                    : count_q == 4'd0     ? crc_q[15:8] : crc_q[7:0];

  // Clocks without a byte in a request, and without an answer in an access.
  assign wait_over = state_q == StLite || state_q == StFetch || state_q == StFetched || state_q == StDrain
                   ? wait_q == WaitWidth'(LiteClocks - 1) : wait_q == WaitWidth'(GapClocks - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || wait_over) wait_q <= '0;
    else case (state_q)
      StHeader, StPayload, StCrc, StDamaged:
        wait_q <= rx_busy_i || rx_valid_i ? '0 : wait_q + 1'b1;
      StLite, StFetched: wait_q <= wait_q + 1'b1;
      StFetch, StDrain:  wait_q <= port_valid_o && port_ready_i ? '0 : wait_q + 1'b1;
      default:           wait_q <= '0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) clocks_q <= '0;
    else         clocks_q <= clocks_q + 1'b1;
  end

  assign card_rst_no = rst_ni && state_q != StReset;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q       <= StHunt;
      count_q       <= '0;
      index_q       <= '0;
      crc_q         <= '0;
      header_q      <= '0;
      word_q        <= '0;
      answer_q      <= '0;
      status_q      <= StatusOk;
      known_q       <= 1'b0;
      last_tag_q    <= '0;
      last_status_q <= StatusOk;
      primed_q      <= 1'b0;
      lite_busy_q   <= 1'b0;
      m_awvalid_o   <= 1'b0;
      m_wvalid_o    <= 1'b0;
      m_arvalid_o   <= 1'b0;
    end else begin
      if (m_awready_i) m_awvalid_o <= 1'b0;
      if (m_wready_i)  m_wvalid_o  <= 1'b0;
      if (m_arready_i) m_arvalid_o <= 1'b0;
      if (lite_done)   lite_busy_q <= 1'b0;

      case (state_q)
        StHunt: begin
          count_q <= '0;
          index_q <= '0;
          crc_q   <= 16'hffff;
          if (rx_valid_i) state_q <= rx_data_i == StartRequest ? StHeader : StDamaged;
        end

        StHeader: begin
          if (rx_valid_i) begin
            header_q <= {rx_data_i, header_q[63:8]};
            crc_q    <= crc_next(crc_q, rx_data_i);
            count_q  <= count_q + 4'd1;
            if (count_q == 4'd7) begin
              count_q <= '0;
              // The header is one byte short of being in place: command at [23:16], length above.
              state_q <= (header_q[23:16] == RegWrite || header_q[23:16] == MemWrite) &&
                         {rx_data_i, header_q[63:56]} != 16'd0 ? StPayload : StCrc;
            end
          end
          if (wait_over) begin
            count_q  <= '0;
            status_q <= StatusNak;
            state_q  <= StHead;
          end
        end

        StPayload: begin
          if (rx_valid_i) begin
            word_q  <= {rx_data_i, word_q[31:8]};
            crc_q   <= crc_next(crc_q, rx_data_i);
            index_q <= index_q + 16'd1;
            if (index_q == length - 16'd1) state_q <= StCrc;
          end
          if (wait_over) begin
            count_q  <= '0;
            status_q <= StatusNak;
            state_q  <= StHead;
          end
        end

        StCrc: begin
          if (rx_valid_i) begin
            crc_q   <= crc_next(crc_q, rx_data_i);
            count_q <= count_q + 4'd1;
            if (count_q == 4'd1) state_q <= crc_next(crc_q, rx_data_i) == 16'd0 ? StStart : StDamaged;
          end
          if (wait_over) begin
            count_q  <= '0;
            status_q <= StatusNak;
            state_q  <= StHead;
          end
        end

        StDamaged: begin
          count_q  <= '0;
          status_q <= StatusNak;
          if (wait_over) state_q <= StHead;
        end

        StStart: begin
          count_q    <= '0;
          index_q    <= '0;
          primed_q   <= 1'b0;
          status_q   <= StatusOk;
          state_q    <= StHead;
          known_q    <= 1'b1;
          last_tag_q <= tag;
          if (single && known_q && last_tag_q == tag) status_q <= last_status_q;
          else case (command)
            Identify: begin
              if (length != 16'd0) status_q <= StatusCommand;
            end
            Poll: begin
              if (length != 16'd0) status_q <= StatusCommand;
              answer_q <= {interrupt_i, clocks_q};
            end
            RegRead: begin
              if (length != 16'd4)  status_q <= StatusCommand;
              else if (lite_busy_q) status_q <= StatusTimeout;
              else begin
                state_q     <= StLite;
                lite_busy_q <= 1'b1;
                m_arvalid_o <= 1'b1;
              end
            end
            RegWrite: begin
              if (length != 16'd4)  status_q <= StatusCommand;
              else if (lite_busy_q) status_q <= StatusTimeout;
              else begin
                state_q     <= StLite;
                lite_busy_q <= 1'b1;
                m_awvalid_o <= 1'b1;
                m_wvalid_o  <= 1'b1;
              end
            end
            MemRead: begin
              if (outside)              status_q <= StatusRange;
              else if (length != 16'd0) state_q  <= StFetch;
            end
            MemWrite: begin
              if (outside) status_q <= StatusRange;
              else         state_q  <= StDrain;
            end
            CardReset: begin
              if (length != 16'd0) status_q <= StatusCommand;
              else                 state_q  <= StReset;
            end
            default: status_q <= StatusCommand;
          endcase
        end

        StLite: begin
          if (lite_done) begin
            state_q <= StHead;
            if (m_rvalid_i) answer_q <= m_rdata_i;
            if ((m_rvalid_i && m_rresp_i != 2'd0) || (m_bvalid_i && m_bresp_i != 2'd0)) status_q <= StatusBus;
          end else if (wait_over) begin
            state_q  <= StHead;
            status_q <= StatusTimeout;
          end
        end

        StFetch, StFetched: begin
          if (state_q == StFetch && port_ready_i) state_q <= StFetched;
          if (state_q == StFetched && port_valid_i) begin
            index_q <= index_q + 16'd1;
            state_q <= StFetch;
            if (index_q == length - 16'd1) begin
              index_q <= '0;
              state_q <= StHead;
            end
          end
          if (wait_over) begin
            index_q  <= '0;
            state_q  <= StHead;
            status_q <= StatusTimeout;
          end
        end

        StDrain: begin
          primed_q <= 1'b1;
          if (stepped) index_q <= index_q + 16'd1;
          if (index_q == length) state_q <= StHead;
          if (wait_over) begin
            state_q  <= StHead;
            status_q <= StatusTimeout;
          end
        end

        StReset: begin
          lite_busy_q <= 1'b0;
          m_awvalid_o <= 1'b0;
          m_wvalid_o  <= 1'b0;
          m_arvalid_o <= 1'b0;
          count_q     <= count_q + 4'd1;
          if (count_q == ResetClocks) begin
            count_q <= '0;
            state_q <= StHead;
          end
        end

        StHead: begin
          if (count_q == 4'd0) begin
            crc_q   <= 16'hffff;
            index_q <= '0;
          end
          if (taken) begin
            count_q <= count_q + 4'd1;
            if (count_q != 4'd0) crc_q <= crc_next(crc_q, head_byte);
            if (count_q == 4'd4) begin
              count_q <= '0;
              state_q <= answer_length == 16'd0 ? StSum : StAnswer;
            end
          end
        end

        StAnswer: begin
          if (taken) begin
            crc_q   <= crc_next(crc_q, payload_byte);
            index_q <= index_q + 16'd1;
            if (index_q == answer_length - 16'd1) state_q <= StSum;
          end
        end

        default: begin // StSum
          if (status_q != StatusNak) last_status_q <= status_q;
          if (taken) begin
            count_q <= count_q + 4'd1;
            if (count_q == 4'd1) state_q <= StHunt;
          end
        end
      endcase
    end
  end

`ifndef SYNTHESIS
  initial assert (PayloadBytes >= 64 && 2 ** IndexWidth == PayloadBytes && PayloadBytes <= 32768)
      else $fatal(1, "PayloadBytes must be a power of two, 64 to 32768");
  initial assert (MemoryBase[MemoryWidth-1:0] == '0 && 2 ** MemoryWidth == MemoryBytes)
      else $fatal(1, "MemoryBytes must be a power of two, MemoryBase a multiple of it");
  initial assert (GapClocks >= 2 && LiteClocks >= 16) else $fatal(1, "waits too short");

  TxHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      tx_valid_o && !tx_ready_i |=> tx_valid_o && $stable(tx_data_o))
      else $error("byte changed before it was taken");

  OneAnswer: assert property (@(posedge clk_i) disable iff (!card_rst_no)
      !(m_bvalid_i && m_rvalid_i))
      else $error("the card answered a read and a write together");
`endif

endmodule
